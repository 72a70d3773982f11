/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <locale.h>

#include "soft_faults.h"
#include "test.h"

static void good(const char *text, uint32_t drop, uint32_t dup, uint32_t reorder, uint32_t corrupt,
                 uint64_t seed)
{
    struct vfring_soft_faults faults;
    struct vfring_vf_error error;

    CHECK_EQ(vfring_soft_faults_parse(text, &faults, &error), 0);
    CHECK_EQ(faults.drop_ppm, drop);
    CHECK_EQ(faults.dup_ppm, dup);
    CHECK_EQ(faults.reorder_ppm, reorder);
    CHECK_EQ(faults.corrupt_ppm, corrupt);
    CHECK(faults.seed == seed);
}

static void bad(const char *text, const char *part, const char *why)
{
    struct vfring_soft_faults faults;
    struct vfring_vf_error error;

    CHECK_EQ(vfring_soft_faults_parse(text, &faults, &error), -EINVAL);
    CHECK_EQ(error.err, -EINVAL);
    CHECK_HAS(error.text, part);
    CHECK_HAS(error.text, why);
    CHECK_HAS(error.remedy, "drop=0.01");
}

int main(void)
{
    char longer[600];

    good(NULL, 0, 0, 0, 0, 1);
    good("", 0, 0, 0, 0, 1);
    good("drop=0.01,dup=0.02,reorder=0.03,corrupt=0.001,seed=7", 10000, 20000, 30000, 1000, 7);
    good("seed=18446744073709551615", 0, 0, 0, 0, UINT64_MAX);
    good("corrupt=1", 0, 0, 0, 1000000, 1);
    good("drop=1.0,dup=0,reorder=0.000001", 1000000, 0, 1, 0, 1);
    good("drop=0.1234560000", 123456, 0, 0, 0, 1);
    good("drop=0.", 0, 0, 0, 0, 1);

    struct vfring_soft_faults all;
    CHECK_EQ(vfring_soft_faults_parse("delay=0.5,delay_frames=9,burst=3,flap=0.25,flap_ms=20,maxlen=600,"
                                      "reset_after=12345678901,reset_ms=7", &all, NULL), 0);
    CHECK_EQ(all.delay_ppm, 500000);
    CHECK_EQ(all.delay_frames, 9);
    CHECK_EQ(all.burst_frames, 3);
    CHECK_EQ(all.flap_ppm, 250000);
    CHECK_EQ(all.flap_ms, 20);
    CHECK_EQ(all.max_frame_bytes, 600);
    CHECK_EQ(all.reset_after, 12345678901);
    CHECK_EQ(all.reset_ms, 7);
    CHECK(all.rate_mbits == VFRING_SOFT_RATE_OF_FILE);
    CHECK_EQ(vfring_soft_faults_parse("rate=2500", &all, NULL), 0);
    CHECK_EQ(all.rate_mbits, 2500);
    CHECK_EQ(vfring_soft_faults_parse("rate=0", &all, NULL), 0);
    CHECK_EQ(all.rate_mbits, 0);
    bad("rate=1000001", "\"rate=1000001\"", "too large");
    bad("rate=0.5", "\"rate=0.5\"", "whole number");
    bad("burst=1001", "\"burst=1001\"", "too large");
    bad("maxlen=0.5", "\"maxlen=0.5\"", "whole number");
    bad("flap=2", "\"flap=2\"", "at most 1");

    bad("drop", "\"drop\"", "name=value");
    bad("drop=0.1,", "\"\"", "name=value");
    bad(",drop=0.1", "\"\"", "name=value");
    bad("dorp=0.1", "\"dorp=0.1\"", "names are");
    bad("dropp=0.1", "\"dropp=0.1\"", "names are");
    bad("=0.1", "\"=0.1\"", "names are");
    bad("drop=", "\"drop=\"", "from 0 to 1");
    bad("seed=1,drop=x", "\"drop=x\"", "from 0 to 1");
    bad("drop=-0.1", "\"drop=-0.1\"", "from 0 to 1");
    bad("drop= 0.1", "\"drop= 0.1\"", "from 0 to 1");
    bad("drop=0.1 ", "\"drop=0.1 \"", "from 0 to 1");
    bad("drop=0,1", "\"1\"", "name=value");
    bad("drop=.5", "\"drop=.5\"", "from 0 to 1");
    bad("drop=1e-3", "\"drop=1e-3\"", "from 0 to 1");
    bad("drop=2", "\"drop=2\"", "at most 1");
    bad("drop=1.000001", "\"drop=1.000001\"", "at most 1");
    bad("drop=99999999999999999999", "drop=9", "at most 1");
    bad("drop=0.0000001", "\"drop=0.0000001\"", "six decimals");
    bad("drop=0.1,drop=0.2", "\"drop=0.2\"", "twice");
    bad("seed=1,seed=1", "\"seed=1\"", "twice");
    bad("seed=", "\"seed=\"", "whole number");
    bad("seed=-1", "\"seed=-1\"", "whole number");
    bad("seed=1.5", "\"seed=1.5\"", "whole number");
    bad("seed=18446744073709551616", "seed=1844", "2^64");

    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    bad(longer, "xxx", "name=value");

    /* The decimal point is a point in every locale. */
    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL) {
        good("drop=0.01", 10000, 0, 0, 0, 1);
    }
    return 0;
}
