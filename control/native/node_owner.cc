/* SPDX-License-Identifier: BSD-3-Clause */
#include "exports.h"
#include "system_error.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

namespace vfring {

/**
 * Opens a plain file, not through a symlink. That it is no other file under a
 * second name, the number of its links says; but that number says so only
 * where nobody else can add and take away names. So its folder must be this
 * user's alone, and the name is looked up in the folder that was checked.
 */
static int OpenInOwnFolder(Napi::Env env, const std::string &path, int flags)
{
    size_t slash = path.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    UniqueFd dir(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    struct stat st = {};

    if (dir.get() < 0) {
        throw SystemError(env, errno, "open", folder);
    }
    if (fstat(dir.get(), &st) != 0) {
        throw SystemError(env, errno, "fstat", folder);
    }
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        throw SystemError(env, EINVAL, "check that nobody else can write to the folder", folder);
    }
    return openat(dir.get(), name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC);
}

static bool IsPlainFile(const struct stat &st)
{
    return S_ISREG(st.st_mode) && st.st_nlink == 1;
}

/**
 * setNodeOwner(path, kind, major, minor, uid, gid, mode)
 *
 * The node is opened with O_PATH: no driver's open() runs, so a VF in use is
 * neither refused with EBUSY nor reset. What was opened is checked before it
 * is changed, and changed through that descriptor, so that a name swapped in
 * between cannot turn another file over to a user.
 */
Napi::Value SetNodeOwner(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    std::string kind = StringArg(info, 1, "kind");
    int64_t major_wanted = IntArg(info, 2, "major");
    int64_t minor_wanted = IntArg(info, 3, "minor");
    uid_t uid = static_cast<uid_t>(IntArg(info, 4, "uid"));
    gid_t gid = static_cast<gid_t>(IntArg(info, 5, "gid"));
    mode_t mode = static_cast<mode_t>(IntArg(info, 6, "mode"));

    if (kind != "char" && kind != "file") {
        throw Napi::TypeError::New(env, "kind must be \"char\" or \"file\"");
    }
    UniqueFd fd(kind == "file" ? OpenInOwnFolder(env, path, O_PATH)
                               : open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (fd.get() < 0) {
        throw SystemError(env, errno, "open", path);
    }
    struct stat st = {};
    if (fstat(fd.get(), &st) != 0) {
        throw SystemError(env, errno, "fstat", path);
    }
    bool fits = kind == "file" ? IsPlainFile(st)
                               : S_ISCHR(st.st_mode) &&
                                     major(st.st_rdev) == static_cast<unsigned>(major_wanted) &&
                                     minor(st.st_rdev) == static_cast<unsigned>(minor_wanted);
    if (!fits) {
        throw SystemError(env, EINVAL, "check that this is the VF's own node", path);
    }

    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", fd.get());
    /*
     * Narrow the mode before another user gets the node, and look once more
     * after the former owner lost it: until then that owner could widen it
     * again. The same owner may have left an access control list behind.
     */
    if ((st.st_mode & 07777) != mode && chmod(self, mode) != 0) {
        throw SystemError(env, errno, "chmod", path);
    }
    if ((st.st_uid != uid || st.st_gid != gid) &&
        fchownat(fd.get(), "", uid, gid, AT_EMPTY_PATH) != 0) {
        throw SystemError(env, errno, "chown", path);
    }
    /* Nobody but this user can have left one on a node that was its own alone. */
    bool was_private = st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0;
    if (!was_private && removexattr(self, "system.posix_acl_access") != 0 && errno != ENODATA &&
        errno != EOPNOTSUPP) {
        throw SystemError(env, errno, "removexattr", path);
    }
    struct stat after = {};
    if (fstat(fd.get(), &after) != 0) {
        throw SystemError(env, errno, "fstat", path);
    }
    if ((after.st_mode & 07777) != mode && chmod(self, mode) != 0) {
        throw SystemError(env, errno, "chmod", path);
    }
    return env.Undefined();
}

/**
 * giveFile(path, uid, gid)
 *
 * For soft VFs, whose file has no driver that open() would wake. One look tells
 * that the file is this user's alone, and that nobody drives the VF: who does
 * holds flock(2) on it. What was looked at is changed.
 */
Napi::Value GiveFile(const Napi::CallbackInfo &info)
{
    Napi::Env env = info.Env();
    std::string path = StringArg(info, 0, "path");
    uid_t uid = static_cast<uid_t>(IntArg(info, 1, "uid"));
    gid_t gid = static_cast<gid_t>(IntArg(info, 2, "gid"));
    UniqueFd fd(OpenInOwnFolder(env, path, O_RDONLY | O_NONBLOCK));
    struct stat st = {};

    if (fd.get() < 0) {
        throw SystemError(env, errno, "open", path);
    }
    if (fstat(fd.get(), &st) != 0) {
        throw SystemError(env, errno, "fstat", path);
    }
    if (!IsPlainFile(st) || st.st_uid != geteuid() || (st.st_mode & 07777) != 0600) {
        throw SystemError(env, EINVAL, "check that this is the VF's own file, and nobody else's",
                          path);
    }
    if (flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
        throw SystemError(env, errno == EWOULDBLOCK ? EBUSY : errno, "flock", path);
    }
    if (fchown(fd.get(), uid, gid) != 0) {
        throw SystemError(env, errno, "chown", path);
    }
    return env.Undefined();
}

} // namespace vfring
