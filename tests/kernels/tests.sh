#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first process on the disk: runs the tests of $CHECKOUT that /tests.txt names, and sends their
# report through the second serial line. Variables come from the kernel's command line.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /dev/pts /dev/shm
mount -t devpts none /dev/pts
mount -t tmpfs none /dev/shm
mount -t tmpfs none /run
cd "$CHECKOUT" || echo "there is no $CHECKOUT on the disk"
"$PYTHON" -m pytest --timeout 0 -p no:cacheprovider --junitxml /run/report.xml \
	$(cat /tests.txt) </dev/null
stty -F /dev/ttyS1 raw
cat /run/report.xml >/dev/ttyS1
sync
echo o >/proc/sysrq-trigger
sleep 60
