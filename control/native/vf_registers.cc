/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"
#include "system_error.h"

#include <cerrno>
#include <endian.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

/* The register header is C; C++ spells its assertions differently. */
#define _Static_assert static_assert
#include "vfring_regs_82576.h"
#include "vfring_regs_82599.h"

namespace vfring {

static Napi::Object CounterOffsets(Napi::Env env, uint32_t gprc, uint32_t gptc, uint32_t gorc, uint32_t gotc)
{
    Napi::Object out = Napi::Object::New(env);

    out.Set("VFGPRC", Napi::Number::New(env, gprc));
    out.Set("VFGPTC", Napi::Number::New(env, gptc));
    out.Set("VFGORC", Napi::Number::New(env, gorc));
    out.Set("VFGOTC", Napi::Number::New(env, gotc));
    return out;
}

/** By family. The 82599's octets are counted in 36 bits: the lower 32 of them, which count as those of the 82576 do. */
Napi::Object VfRegisterOffsets(Napi::Env env)
{
    Napi::Object out = Napi::Object::New(env);

    out.Set("82576", CounterOffsets(env, VFRING_82576_VFGPRC, VFRING_82576_VFGPTC, VFRING_82576_VFGORC, VFRING_82576_VFGOTC));
    out.Set("82599", CounterOffsets(env, VFRING_82599_VFGPRC, VFRING_82599_VFGPTC, VFRING_82599_VFGORC_LSB, VFRING_82599_VFGOTC_LSB));
    return out;
}

/**
 * readRegisters(path, offsets): maps @p path (resource0 of a PCI function)
 * read-only for the time of the call and loads each 32-bit register once.
 * The statistics it is meant for have no read side effects.
 */
Napi::Value ReadRegisters(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");

    if (info.Length() < 2 || !info[1].IsArray()) {
        throw Napi::TypeError::New(env, "offsets must be an array of numbers");
    }
    Napi::Array wanted = info[1].As<Napi::Array>();
    std::vector<size_t> offsets;
    size_t end = 0;
    for (uint32_t i = 0; i < wanted.Length(); i++) {
        Napi::Value value = wanted[i];
        if (!value.IsNumber() || value.As<Napi::Number>().Int64Value() < 0 ||
            value.As<Napi::Number>().Int64Value() % 4 != 0) {
            throw Napi::TypeError::New(env, "an offset must be a multiple of 4");
        }
        offsets.push_back(static_cast<size_t>(value.As<Napi::Number>().Int64Value()));
        end = offsets.back() + 4 > end ? offsets.back() + 4 : end;
    }

    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) {
        throw SystemError(env, errno, "open", path);
    }
    struct stat st = {};
    if (fstat(fd.get(), &st) != 0) {
        throw SystemError(env, errno, "fstat", path);
    }
    /* Beyond the BAR a load would be a bus error, not an errno. */
    if (st.st_size < 0 || static_cast<size_t>(st.st_size) < end) {
        throw SystemError(env, EOVERFLOW, "map registers", path);
    }
    if (offsets.empty()) {
        return Napi::Array::New(env);
    }
    size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_t length = (end + page - 1) / page * page;
    void *bar = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (bar == MAP_FAILED) {
        throw SystemError(env, errno, "mmap", path);
    }
    std::vector<uint32_t> values;
    for (size_t offset : offsets) {
        values.push_back(le32toh(*reinterpret_cast<volatile const uint32_t *>(
            static_cast<const char *>(bar) + offset)));
    }
    munmap(bar, length);

    Napi::Array out = Napi::Array::New(env, values.size());
    for (uint32_t i = 0; i < values.size(); i++) {
        out[i] = Napi::Number::New(env, values[i]);
    }
    return out;
}

} // namespace vfring
