#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The tests that need a soft VF, with soft VFs of the other models. Run by make check in the build folder.
set -u
failed=0
for model in 82599 x540; do
    for test in test_open test_processes test_reg_cache test_restart test_soft_faults test_soft_memory test_traffic test_wait; do
        if VFRING_SOFT_MODEL=$model ./$test > "$test.$model.out" 2>&1; then
            echo "ok     $test, $model"
            rm "$test.$model.out"
        else
            echo "FAILED $test, $model"
            cat "$test.$model.out"
            failed=1
        fi
    done
done
exit $failed
