/* SPDX-License-Identifier: BSD-3-Clause */
/**
 * @file
 * The addon's functions. Their JavaScript side, with types and contracts, is
 * control/src/native.ts; every failed system call throws a SystemError.
 *
 * All of them run on the thread of the node environment that loaded the
 * addon, and none of them waits: what does, in process_watch.cc and uevent_watch.cc,
 * has threads of its own.
 */
#ifndef VFRING_EXPORTS_H
#define VFRING_EXPORTS_H

#include <napi.h>

namespace vfring {

/* peer.cc */
Napi::Value PeerCred(const Napi::CallbackInfo &info);
Napi::Value PeerPidfd(const Napi::CallbackInfo &info);
Napi::Value StartTicks(const Napi::CallbackInfo &info);
Napi::Value PidfdOpen(const Napi::CallbackInfo &info);
Napi::Value PidfdSendSignal(const Napi::CallbackInfo &info);
Napi::Value SdNotify(const Napi::CallbackInfo &info);
Napi::Value CloseFd(const Napi::CallbackInfo &info);

/* node_owner.cc */
Napi::Value SetNodeOwner(const Napi::CallbackInfo &info);
Napi::Value GiveFile(const Napi::CallbackInfo &info);

/* vfio.cc; opening has a thread of node's pool. */
Napi::Value VfioProbe(const Napi::CallbackInfo &info);
Napi::Value VfioOpen(const Napi::CallbackInfo &info);
Napi::Value SendDescriptors(const Napi::CallbackInfo &info);

/* vf_registers.cc */
Napi::Value ReadRegisters(const Napi::CallbackInfo &info);
Napi::Object VfRegisterOffsets(Napi::Env env);

/* softvf_files.cc */
Napi::Value SoftVfCreate(const Napi::CallbackInfo &info);
Napi::Value SoftVfShow(const Napi::CallbackInfo &info);
Napi::Value SoftVfDestroy(const Napi::CallbackInfo &info);
Napi::Value LookAtFile(const Napi::CallbackInfo &info);

/* process_watch.cc: adds the class ProcessWatch. */
void DefineProcessWatch(Napi::Env env, Napi::Object exports);

/* uevent_watch.cc: adds the class UeventWatch. */
void DefineUeventWatch(Napi::Env env, Napi::Object exports);

} // namespace vfring

#endif
