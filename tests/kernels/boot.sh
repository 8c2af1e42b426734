#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# In the initramfs: what stands between a kernel and a disk with the tests on it.
export PATH=/bin
for module in /modules/*; do
	insmod "$module"
done
mkdir -p /dev /disk
mount -t devtmpfs none /dev
until [ -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /disk
mount --move /dev /disk/dev
exec switch_root /disk /tests.sh
