#include "base/harden.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ambient and bounding sets first: emptying the bounding set needs CAP_SETPCAP. */
static int drop_capabilities(struct err *e)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL)
        return err_sys(e, "clearing the ambient capabilities");
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
            return err_sys(e, "dropping capability %lu from the bounding set", cap);
    if (syscall(SYS_capset, &head, none) != 0)
        return err_sys(e, "dropping capabilities");
    return 0;
}

int harden_process(struct err *e)
{
    const struct rlimit no_core = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &no_core) != 0)
        return err_sys(e, "forbidding core dumps");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(e, "forbidding new privileges");
    if (drop_capabilities(e) != 0)
        return -1;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return err_sys(e, "making the process not dumpable");
    return 0;
}

int harden_raise_files(size_t max, size_t *out_limit, struct err *e)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) != 0)
        return err_sys(e, "reading the limit of open files");
    const rlim_t want = l.rlim_max < max ? l.rlim_max : max;
    if (l.rlim_cur < want) {
        l.rlim_cur = want;
        if (setrlimit(RLIMIT_NOFILE, &l) != 0)
            return err_sys(e, "raising the limit of open files");
    }
    *out_limit = l.rlim_cur;
    return 0;
}
