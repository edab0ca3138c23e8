// SPDX-License-Identifier: MIT
/*
 * qemu_guest.c - the guest of qemu.sh: finds the ATS test device on PCI bus 0, lets it copy pages
 * by DMA, and compares them. It has no operating system below it. Prints on the debug console, and
 * ends the emulator by the exit device: status 33 is success, 35 failure.
 */
__asm__(".section .multiboot, \"a\"\n"
	".long 0x1badb002, 0, -0x1badb002\n"
	".text\n"
	".globl _start\n"
	"_start: mov $0x180000, %esp\n"
	"call guest_main\n"
	"1: hlt\n"
	"jmp 1b\n");

#define PAGE	   4096u
#define NR	   64u
#define FROM	   0x200000u
#define TO	   0x1e00000u
#define TO_DEVICE  3u
#define TO_MEMORY  1u
#define ID	   0x11e91234u
#define MANY_LOOKS 200000000u

static inline void outb(unsigned short port, unsigned char value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(unsigned short port, unsigned int value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline unsigned int inl(unsigned short port)
{
	unsigned int value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void print(const char *text)
{
	while (*text)
		outb(0xe9, (unsigned char)*text++);
}

static void end(const char *text, unsigned char code)
{
	print(text);
	outb(0xf4, code);
}

static void select(unsigned int slot, unsigned int at)
{
	outl(0xcf8, 0x80000000u | slot << 11 | at);
}

static unsigned int pci_read(unsigned int slot, unsigned int at)
{
	select(slot, at);
	return inl(0xcfc);
}

static volatile unsigned int *find_device(void)
{
	for (unsigned int slot = 0; slot < 32; slot++) {
		if (pci_read(slot, 0) != ID)
			continue;
		/* memory space, and bus master */
		select(slot, 4);
		outl(0xcfc, (pci_read(slot, 4) & 0xffff) | 6);
		return (volatile unsigned int *)(pci_read(slot, 0x10) & ~15u);
	}
	return 0;
}

static int transfer(volatile unsigned int *bar, unsigned int addr, unsigned int command)
{
	unsigned int looks = MANY_LOOKS;

	bar[0] = addr;
	bar[1] = 0;
	bar[2] = command;
	while (bar[2] & 1)
		if (!--looks)
			return 0;
	return 1;
}

void guest_main(void)
{
	volatile unsigned int *bar = find_device();

	if (!bar)
		return end("no device\n", 17);
	for (unsigned int n = 0; n < NR; n++) {
		volatile unsigned int *from = (void *)(FROM + n * PAGE);
		volatile unsigned int *to = (void *)(TO + n * 3 * PAGE);

		for (unsigned int i = 0; i < PAGE / 4; i++) {
			from[i] = n * 0x10001u + i;
			to[i] = 0;
		}
		if (!transfer(bar, FROM + n * PAGE, TO_DEVICE) ||
		    !transfer(bar, TO + n * 3 * PAGE, TO_MEMORY))
			return end("a transfer does not end\n", 17);
		for (unsigned int i = 0; i < PAGE / 4; i++)
			if (to[i] != n * 0x10001u + i)
				return end("a page differs\n", 17);
		if (to[PAGE / 4])
			return end("more than a page was written\n", 17);
	}
	/* Where there is no memory: the transfer ends all the same. */
	if (!transfer(bar, 0x70000000, TO_DEVICE))
		return end("a transfer from nowhere does not end\n", 17);
	end("64 pages copied\n", 16);
}
