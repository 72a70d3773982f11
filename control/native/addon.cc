/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"

static Napi::Object Init(Napi::Env env, Napi::Object exports)
{
    using namespace vfring;

    exports.Set("peerCred", Napi::Function::New(env, PeerCred, "peerCred"));
    exports.Set("peerPidfd", Napi::Function::New(env, PeerPidfd, "peerPidfd"));
    exports.Set("pidfdOpen", Napi::Function::New(env, PidfdOpen, "pidfdOpen"));
    exports.Set("pidfdSendSignal",
                Napi::Function::New(env, PidfdSendSignal, "pidfdSendSignal"));
    exports.Set("sdNotify", Napi::Function::New(env, SdNotify, "sdNotify"));
    exports.Set("closeFd", Napi::Function::New(env, CloseFd, "closeFd"));
    exports.Set("sendDescriptors", Napi::Function::New(env, SendDescriptors, "sendDescriptors"));
    exports.Set("vfioProbe", Napi::Function::New(env, VfioProbe, "vfioProbe"));
    exports.Set("vfioOpen", Napi::Function::New(env, VfioOpen, "vfioOpen"));
    exports.Set("setNodeOwner", Napi::Function::New(env, SetNodeOwner, "setNodeOwner"));
    exports.Set("giveFile", Napi::Function::New(env, GiveFile, "giveFile"));
    exports.Set("readRegisters", Napi::Function::New(env, ReadRegisters, "readRegisters"));
    exports.Set("vfRegisters", VfRegisterOffsets(env));
    exports.Set("softVfCreate", Napi::Function::New(env, SoftVfCreate, "softVfCreate"));
    exports.Set("softVfShow", Napi::Function::New(env, SoftVfShow, "softVfShow"));
    exports.Set("softVfDestroy", Napi::Function::New(env, SoftVfDestroy, "softVfDestroy"));
    exports.Set("lookAtFile", Napi::Function::New(env, LookAtFile, "lookAtFile"));
    exports.Set("startTicks", Napi::Function::New(env, StartTicks, "startTicks"));
    DefineProcessWatch(env, exports);
    DefineUeventWatch(env, exports);
    return exports;
}

NODE_API_MODULE(vfring_native, Init)
