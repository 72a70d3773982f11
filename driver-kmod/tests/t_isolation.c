// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device cannot reach what its process did not register, whatever address it
 * is given: in a transmit descriptor (it would read), in a receive descriptor
 * and as head write-back address (it would write).
 *
 * Two processes, a VF each. The victim receives all that the attacker sends, and
 * sends when asked to. Its secret page is what the attacker tries to
 * read and to change; so are the attacker's own pages that are not registered
 * (any more).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igbvf.h"
#include "tap.h"
#include "vf.h"

#define SECRET		0xa5
#define MARKER		0x3c
#define MARKER_NUMBER_AT 14
#define OVERWRITE	0x5a
#define RX_BUFFERS	64
/* A message in the remappable format that names somebody else's entry, 0. */
#define MSI_IOVA	0xfee00010UL
/* What is written there has to end before the next 16 bytes. */
#define TAIL_BYTES	12
#define SOON_MS		3000

/* Seen by both processes; the counts are the victim's. */
static struct {
	atomic_bool ready;
	atomic_uint marker;	/* number of the last marker that came */
	atomic_uint secrets;
	atomic_uint send;
	atomic_uint send_bytes;	/* of the next frame; 0: FRAME_BYTES */
	atomic_uint sent;
	uint64_t secret_iova;
	unsigned int rx_index;
} *shared;
static uint8_t *secret;		/* the victim's page, visible to both */

/* A secret page is a frame that anybody would receive, for it must be sendable. */
static void fill_secret(uint8_t *page)
{
	memset(page, SECRET, PAGE);
	igbvf_frame(page, SECRET);
}

static bool still_secret(const uint8_t *page)
{
	static uint8_t want[PAGE];

	fill_secret(want);
	return !memcmp(page, want, PAGE);
}

/* Does a frame carry any run of the secret? */
static bool carries(const uint8_t *frame, unsigned int length, uint8_t value)
{
	unsigned int run = 0;

	for (unsigned int i = 0; i < length; i++) {
		run = frame[i] == value ? run + 1 : 0;
		if (run == 8)
			return true;
	}
	return false;
}

static void look_at(const uint8_t *frame, unsigned int length)
{
	if (carries(frame, length, SECRET))
		atomic_fetch_add(&shared->secrets, 1);
	if (carries(frame, length, MARKER)) {
		uint32_t number;

		memcpy(&number, frame + MARKER_NUMBER_AT, sizeof(number));
		atomic_store(&shared->marker, number);
	}
}

static void victim(void)
{
	struct uio_vf_dma_map ring = {}, tx_ring = {}, buffers = {}, map = {};
	uint8_t *mem = memory(RX_BUFFERS * RX_BUFFER_BYTES);
	uint8_t *tx = memory(2 * PAGE), *rx_ring = memory(RX_RING_BYTES);
	struct igbvf vf = {};
	int fd = vf_open_second(O_RDWR);
	unsigned int next = 0;

	if (fd < 0 || vf_map(fd, rx_ring, RX_RING_BYTES, RW, &ring) ||
	    vf_map(fd, tx, 2 * PAGE, RW, &tx_ring) ||
	    vf_map(fd, mem, RX_BUFFERS * RX_BUFFER_BYTES, RW, &buffers) ||
	    vf_map(fd, secret, PAGE, RW, &map))
		exit(1);
	shared->secret_iova = map.iova;
	igbvf_map(&vf, fd);
	if (!igbvf_reset(&vf))
		exit(1);
	igbvf_tx_start(&vf, tx, tx_ring.iova);
	memset(tx + PAGE, OVERWRITE, PAGE);
	igbvf_frame(tx + PAGE, OVERWRITE);
	igbvf_rx_start(&vf, rx_ring, ring.iova);
	for (int i = 0; i < RX_BUFFERS; i++)
		igbvf_rx_post(&vf, buffers.iova + i * RX_BUFFER_BYTES);
	atomic_store(&shared->ready, true);

	for (unsigned int slot = 0;; slot = (slot + 1) % RX_BUFFERS) {
		unsigned int length;

		while (!(length = igbvf_rx_wait(&vf, next, 0)))
			if (atomic_load(&shared->send) !=
			    atomic_load(&shared->sent)) {
				vf.frame_bytes = atomic_load(&shared->send_bytes);
				igbvf_tx_one(&vf, tx_ring.iova + PAGE);
				atomic_fetch_add(&shared->sent, 1);
			}
		look_at(mem + slot * RX_BUFFER_BYTES, length);
		memset(mem + slot * RX_BUFFER_BYTES, 0, RX_BUFFER_BYTES);
		igbvf_rx_post(&vf, buffers.iova + slot * RX_BUFFER_BYTES);
		next = (next + 1) % (RX_RING_BYTES / 16);
	}
}

static int fd;
static struct igbvf vf;
static uint8_t *own;		/* ring, ring, marker frame, good page, header */
static uint64_t own_iova;
static uint8_t *stray;		/* the attacker's own, not registered */

#define RX_RING_AT	PAGE
#define MARKER_AT	(2 * PAGE)
#define GOOD_AT		(3 * PAGE)
#define HEADER_AT	(4 * PAGE)
#define OWN_PAGES	5

/* Each attempt begins with clean queues, for a fault may stop one for good. */
static void restart(void)
{
	igbvf_stop(&vf);
	if (!igbvf_reset(&vf))
		tap_result(false, "the PF answers", "no answer");
	igbvf_tx_start(&vf, own, own_iova);
	igbvf_rx_start(&vf, own + RX_RING_AT, own_iova + RX_RING_AT);
}

static bool wait_for(atomic_uint *count, unsigned int value)
{
	for (int i = 0; i < SOON_MS && atomic_load(count) < value; i++)
		usleep(1000);
	return atomic_load(count) >= value;
}

/* The next marker, not an earlier one that is late. */
static unsigned int send_marker(void)
{
	static uint32_t number;

	number++;
	memcpy(own + MARKER_AT + MARKER_NUMBER_AT, &number, sizeof(number));
	igbvf_tx_one(&vf, own_iova + MARKER_AT);
	return number;
}

/* Send what is at @iova, then a marker: is the secret among what arrived? */
static bool sends_secret(uint64_t iova)
{
	unsigned int secrets = atomic_load(&shared->secrets);

	restart();
	igbvf_tx_one(&vf, iova);
	restart();
	if (!wait_for(&shared->marker, send_marker()))
		tap_result(false, "the frame after it arrives", "it does not");
	return atomic_load(&shared->secrets) != secrets;
}

/* Let the victim send a frame of so many bytes, for the descriptor given. */
static unsigned int victim_sends(unsigned int bytes, unsigned int index)
{
	unsigned int want = atomic_load(&shared->send) + 1;

	atomic_store(&shared->send_bytes, bytes);
	atomic_store(&shared->send, want);
	if (!wait_for(&shared->sent, want))
		tap_result(false, "the victim sends", "it does not");
	return igbvf_rx_wait(&vf, index, 100);
}

/* Let the victim send a frame that the device would put at @iova. */
static void receives(uint64_t iova)
{
	restart();
	victim_sends(FRAME_BYTES, igbvf_rx_post(&vf, iova));
}

/* Only the last few bytes of a frame go to @iova. Returns how many. */
static unsigned int receives_tail(uint64_t iova)
{
	restart();
	igbvf_rx_split(&vf);
	return victim_sends(RX_HEADER_BYTES + TAIL_BYTES,
			    igbvf_rx_post_split(&vf, own_iova + HEADER_AT, iova));
}

static void writes_head(uint64_t iova)
{
	restart();
	igbvf_tx_head_writeback(&vf, iova);
	send_marker();
	igbvf_tx_head_writeback(&vf, 0);
}

/* Where something went to although it must not. */
static bool untouched(void)
{
	return still_secret(secret) && still_secret(stray);
}

static void test_address(const char *what, uint64_t iova)
{
	char name[120];

	snprintf(name, sizeof(name), "%s: cannot be sent from", what);
	OK(!sends_secret(iova), name);
	receives(iova);
	snprintf(name, sizeof(name), "%s: cannot be received into", what);
	OK(untouched(), name);
	writes_head(iova);
	snprintf(name, sizeof(name), "%s: cannot be written back to", what);
	OK(untouched(), name);
}

/* Without these none of the above would mean anything. */
static void test_registered(void)
{
	uint8_t *good = own + GOOD_AT;
	uint64_t iova = own_iova + GOOD_AT;

	fill_secret(good);
	OK(sends_secret(iova), "registered memory: can be sent from");
	receives(iova);
	OK(carries(good, PAGE, OVERWRITE), "registered memory: can be received into");
	fill_secret(good);
	writes_head(iova);
	OK(!still_secret(good), "registered memory: can be written back to");
	fill_secret(good);
	EQUAL(receives_tail(iova), TAIL_BYTES,
	      "registered memory: can be received into by halves");
	OK(good[0] == OVERWRITE && good[TAIL_BYTES - 1] == OVERWRITE &&
	   good[TAIL_BYTES + 4] == SECRET, "of which one is short");
}

static void test_unmapped(void)
{
	struct uio_vf_dma_map map = {};

	ERROR(vf_map(fd, stray, PAGE, RW, &map), 0, "a page is registered");
	ERROR(vf_unmap(fd, map.region_id, NULL), 0, "and taken back");
	test_address("memory just unmapped", map.iova);
}

/* Lines about faults that the kernel has logged and that have @what in them. */
static unsigned int faults_logged(const char *what)
{
	char line[8192];
	unsigned int count = 0;
	ssize_t len;
	int log;

	as_root();
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	while ((len = read(log, line, sizeof(line) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		line[len > 0 ? len : 0] = '\0';
		count += strstr(line, what) && strstr(line, "fault reason");
	}
	close(log);
	as_user();
	return count;
}

/*
 * The kernel logs ten faults in five seconds, which tests before this one may
 * have used up: so there is one more until it is logged.
 */
static bool fault_reported(const char *what, unsigned int before,
			   void (*again)(uint64_t iova), uint64_t iova)
{
	for (int i = 0; i < 150; i++) {
		if (faults_logged(what) > before)
			return true;
		again(iova);
		usleep(100000);
	}
	return false;
}

static void sends(uint64_t iova)
{
	sends_secret(iova);
}

static void receives_tail_once(uint64_t iova)
{
	receives_tail(iova);
}

/*
 * A write there is an interrupt. One whose entry is not the device's own must
 * be refused. Which format a message has is told by bit 4 of its address, and
 * QEMU lets those of the old format pass, which silicon refuses when it remaps
 * interrupts. So no more than 16 bytes are written, all in the new format: not
 * a whole frame, but the end of one, whose beginning goes elsewhere. For the
 * same reason no ring is put there, for each of its entries is written to. The
 * report does not name the device, for QEMU does not know it in this place.
 */
static void test_interrupts(void)
{
	unsigned int faults;

	OK(!sends_secret(MSI_IOVA), "the interrupt range: cannot be sent from");
	writes_head(MSI_IOVA);
	OK(untouched(), "the interrupt range: cannot be written back to");
	faults = faults_logged("INTR-REMAP");
	receives_tail(MSI_IOVA);
	OK(untouched(), "the interrupt range: cannot be received into");
	OK(fault_reported("INTR-REMAP", faults, receives_tail_once, MSI_IOVA),
	   "the interrupt range: the IOMMU refused the messages");
}

static pid_t start_victim(void)
{
	pid_t child = fork();

	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		victim();
	}
	/*
	 * The PF may take seconds to answer a VF's first message. Changing users
	 * has cleared the child's parent-death signal, so it is ended here.
	 */
	for (int i = 0; i < 10 * SOON_MS && !atomic_load(&shared->ready); i++)
		usleep(1000);
	if (!atomic_load(&shared->ready)) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	NEED(atomic_load(&shared->ready), "the victim receives");
	return child;
}

int main(void)
{
	struct uio_vf_dma_map map = {};
	struct uio_vf_info info;
	unsigned int faults;
	char device[64];
	pid_t child;

	set_memlock(64UL << 20);
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	secret = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fill_secret(secret);
	fd = vf_open(O_RDWR);
	NEED(fd >= 0, "open");
	if (!igbvf_known(fd)) {
		printf("# no 82576 VF: nothing can make it use DMA\n");
		return tap_end();
	}
	child = start_victim();

	info = vf_info(fd);
	own = memory(OWN_PAGES * PAGE);
	stray = memory(PAGE);
	fill_secret(stray);
	NEED(!vf_map(fd, own, OWN_PAGES * PAGE, RW, &map), "map");
	own_iova = map.iova;
	igbvf_frame(own + MARKER_AT, MARKER);
	igbvf_map(&vf, fd);

	test_registered();
	/* Linux 7 writes the domain before it. */
	snprintf(device, sizeof(device), "%s] fault addr", vf_bdf() + 5);
	faults = faults_logged(device);
	test_address("memory never registered", own_iova ^ (1UL << 30));
	test_unmapped();
	test_address("another process's memory", shared->secret_iova);
	test_interrupts();
	test_address("beyond the address width", info.iova_max + 1);
	test_registered();
	OK(fault_reported(device, faults, sends, own_iova ^ (1UL << 30)),
	   "the IOMMU reported faults of this device");

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return tap_end();
}
