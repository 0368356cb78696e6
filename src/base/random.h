/* Random bytes from the kernel. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Cannot fail once the kernel's generator is seeded; a kernel without one ends the process. */
void random_fill(void *p, size_t n);
uint32_t random_u32(void);
uint64_t random_u64(void);

#endif
