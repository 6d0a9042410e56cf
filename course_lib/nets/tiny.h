#ifdef __SSE__
#include <xmmintrin.h>
#endif

/* Numbers too small for full precision (below 1e-38, or 1e-308) slow most processors a hundredfold, and a gradient that
   fades over many steps gets there. They count as zero while we compute; then the thread's mode is put back. */
static unsigned tiny_is_zero(void)
{
#ifdef __SSE__
    unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040);
    return mode;
#else
    return 0;
#endif
}

static void put_back(unsigned mode)
{
#ifdef __SSE__
    _mm_setcsr(mode);
#else
    (void)mode;
#endif
}
