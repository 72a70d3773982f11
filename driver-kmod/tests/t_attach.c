// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the module asks the kernel for when devices come to an address space, and in
 * which order: the kernel's own tracing tells.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tap.h"
#include "vf.h"

static int first, second;

#define TRACING		"/sys/kernel/tracing/"
#define ALLOCATIONS	TRACING "events/kmem/kmalloc/enable"

/*
 * Reserved ranges that this process made a space remember since @ALLOCATIONS.
 * The compiler may have put the function into its only caller.
 */
static int remembered(void)
{
	FILE *trace = fopen(TRACING "trace", "r");
	char line[512], pid[32];
	int count = 0;

	NEED(trace, "reserved: trace");
	snprintf(pid, sizeof(pid), "-%d ", getpid());
	while (fgets(line, sizeof(line), trace))
		count += strstr(line, pid) &&
			 (strstr(line, "call_site=uio_vf_iova_reserve") ||
			  strstr(line, "call_site=uio_vf_iommu_attach"));
	fclose(trace);
	return count;
}

/* A space keeps each reserved IOVA range once, however many devices come and go. */
static void test_reserved(void)
{
	int before;

	as_root();
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	if (access(ALLOCATIONS, F_OK)) {
		printf("# no tracing in this kernel: nobody counts reserved ranges\n");
		as_user();
		return;
	}
	write_file(TRACING "trace", "");
	NEED(!write_file(ALLOCATIONS, "1"), "reserved: allocations are traced");
	close(first);
	first = vf_open(O_RDWR);
	NEED(first >= 0, "reserved: open");
	OK(remembered() > 0, "reserved: a new space learns of some ranges");
	ERROR(vf_join(second, first), 0, "reserved: join");
	close(second);
	second = vf_open_second(O_RDWR);
	NEED(second >= 0, "reserved: open the other again");
	before = remembered();
	ERROR(vf_join(second, first), 0, "reserved: join again");
	EQUAL(remembered(), before, "reserved: the space knew them already");
	write_file(ALLOCATIONS, "0");
	as_user();
}

#define TRACER	TRACING "current_tracer"

/* Number of the trace's first line that names @function, called by the module. */
static int traced(const char *function)
{
	FILE *trace = fopen(TRACING "trace", "r");
	char line[512], call[96];
	int number = 0, found = 0;

	NEED(trace, "order: trace");
	snprintf(call, sizeof(call), "%s <-uio_vf_", function);
	while (!found && fgets(line, sizeof(line), trace)) {
		number++;
		if (strstr(line, call))
			found = number;
	}
	fclose(trace);
	return found;
}

static bool trace_start(void)
{
	static const char * const functions[] = {
		"*enforce_cache_coherency*", "iommu_map", "iommu_attach_group",
		"iommu_detach_group", "free_irq", "request_threaded_irq",
	};

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	write_file(TRACER, "nop");
	write_file(TRACING "set_ftrace_filter", "");
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		FILE *filter = fopen(TRACING "set_ftrace_filter", "a");

		if (!filter)
			return false;
		fprintf(filter, "%s\n", functions[i]);
		fclose(filter);
	}
	return !write_file(TRACER, "function") && !write_file(TRACING "trace", "");
}

static int enforced(void)
{
	static const char * const names[] = {
		"intel_iommu_enforce_cache_coherency",
		"intel_iommu_enforce_cache_coherency_ss",
		"intel_iommu_enforce_cache_coherency_fs",
	};
	int line = 0;

	for (size_t i = 0; !line && i < sizeof(names) / sizeof(names[0]); i++)
		line = traced(names[i]);
	return line;
}

/*
 * Coherency is promised per domain and can be kept only for what is mapped after
 * that; some IOMMU drivers map nothing before a device is attached.
 */
static void test_order(void)
{
	struct uio_vf_dma_map map = {};
	char separate[8];
	void *mem;

	as_root();
	close(first);
	if (!trace_start()) {
		printf("# no function tracer in this kernel: nobody tells the order of calls\n");
		first = vf_open(O_RDWR);
		return;
	}
	mem = memory(PAGE);
	first = vf_open(O_RDWR);
	NEED(first >= 0, "order: open");
	ERROR(vf_map(first, mem, PAGE, RW, &map), 0, "order: map");
	OK(traced("iommu_attach_group") && traced("iommu_attach_group") < enforced(),
	   "order: an open attaches the device, then asks for coherency");
	OK(enforced() < traced("iommu_map"), "order: before the first map");

	write_file(TRACING "trace", "");
	ERROR(vf_join(second, first), 0, "order: join");
	read_file("/sys/module/uio_vf/parameters/separate_domains", separate, sizeof(separate));
	OK(traced("iommu_attach_group"), "order: a join attaches the device");
	OK(traced("free_irq") && traced("free_irq") < traced("iommu_detach_group"),
	   "order: after its interrupts were stopped");
	OK(traced("request_threaded_irq") > traced("iommu_attach_group"),
	   "order: they start again after that");
	if (separate[0] == 'Y') {
		OK(traced("iommu_attach_group") < enforced(),
		   "order: to the new domain, then asks it for coherency");
		OK(enforced() < traced("iommu_map"), "order: before it is filled");
	}
	write_file(TRACER, "nop");
	munmap(mem, PAGE);
	as_user();
}

int main(void)
{
	set_memlock(64UL << 20);
	first = vf_open(O_RDWR);
	second = vf_open_second(O_RDWR);
	NEED(first >= 0 && second >= 0, "both open");
	test_reserved();
	close(second);
	second = vf_open_second(O_RDWR);
	NEED(second >= 0, "open the other anew");
	test_order();
	return tap_end();
}
