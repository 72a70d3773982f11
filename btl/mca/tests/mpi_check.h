/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of mpi_check share. */
#ifndef MPI_CHECK_H
#define MPI_CHECK_H

#include <mpi.h>
#include <stddef.h>

extern int rank, size;
extern volatile int bad; /* something was not right */

/* mpi_check.c */
void fill(char *to, size_t bytes, unsigned seed);
int differs(const char *got, size_t bytes, unsigned seed);
int some_size(int i);
void *exchange(void *tag);

/* mpi_check_away.c */
void freeze(void);
void stopped(const char *file, int by_itself);
void sleepers(const char *file);

/* mpi_check_counts.c */
unsigned long long read_pvar(const char *name);
void read_rails(const char *name, unsigned long long *values, int num);
/** Counts the component's allocations from now on. */
void alloc_begin(void);
void alloc(void);
void counts(void);
void faults(void);
void pvars(void);

/* mpi_check_outside.c */
void outside(const char *path, int num, int at_once);

/* mpi_check_rails.c */
/** Exchanges messages until the file @p until is there. */
void rails(const char *until);

/* mpi_check_depart.c */
void visitors(char *program, int batches, int clients);
/** @p port NULL: the one that spawns the other. */
void reunions(char *program, int times, const char *port);

/* mpi_check_wait.c */
/** With btl_vfring_wait @p how. */
void wait_asleep(const char *how);
void wait_computes(void);

/* mpi_check_many.c */
/** @p num operations at a time: "sends", "late" (sends to a receiver that comes later), "gets" or "puts". */
void many(const char *kind, int num, size_t bytes);
void short_receives(void);

#endif /* MPI_CHECK_H */
