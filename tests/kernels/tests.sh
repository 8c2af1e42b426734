#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first process on the disk: runs the tests of $CHECKOUT that /tests.txt names, and writes their
# report to the second disk. Variables come from the kernel's command line.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 PYTHONPATH="$CHECKOUT"
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t tracefs none /sys/kernel/tracing
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /run
ln -s /proc/self/fd /dev/fd
cd "$CHECKOUT" || echo "there is no $CHECKOUT on the disk"
# shellcheck disable=SC2046 # a word a test
python3 -m pytest --timeout 0 -p no:cacheprovider --junitxml /run/report.xml \
	$(cat /tests.txt) </dev/null
cat /run/report.xml >/dev/vdb
sync
echo o >/proc/sysrq-trigger
sleep 60
