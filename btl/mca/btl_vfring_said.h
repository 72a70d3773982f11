/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * What a hundred ranks have to say for one cause, a user hears once. Knows no MPI.
 */
#ifndef BTL_VFRING_SAID_H
#define BTL_VFRING_SAID_H

/**
 * Prints @p text on standard error, unless another process has printed a text with the same @p same. Two are the same if they
 * differ in digits only. The processes share the folder @p dir, where marks of that are kept; NULL: there is none, and each prints.
 * After @p again_s seconds, if that is not 0, it is printed again. Who is about to print is waited for, for 1 s at most; if
 * it dies before the text is out, this one is printed.
 */
void btl_vfring_said(const char *dir, const char *same, const char *text, unsigned again_s);

#endif /* BTL_VFRING_SAID_H */
