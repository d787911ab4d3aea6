// A GPU made of one CPU thread: enough of CUDA C++ for the kernels to be compiled by an ordinary C++ compiler, from the same
// source, and run block after block, thread after thread. A kernel that touches memory that is not its own, or whose behaviour
// C++ does not define, ends with the number of the signal instead of with the process.

#include <algorithm>
#include <cmath>
#include <csetjmp>
#include <csignal>

#define __global__ static
#define __device__ static

struct uint3 {
    unsigned x, y, z;
};
static uint3 blockIdx, threadIdx, blockDim, gridDim;

using std::max;
using std::min;
using std::pow;
using std::sqrt;
static inline double rsqrt(double x) { return 1 / sqrt(x); }
static inline float rsqrt(float x) { return 1 / sqrt(x); }
static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b)
{
    return (unsigned __int128)a * b >> 64;
}

static const int FATAL[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
static sigjmp_buf escape;
static void leave(int number) { siglongjmp(escape, number); }

// Runs one thread after the other, from the first to the last or the other way round: a kernel must not care. Returns 0, or
// the signal that ended it.
template <typename Kernel>
static int over_the_grid(const unsigned* grid, const unsigned* block, int backwards, Kernel kernel)
{
    struct sigaction before[5], ours = {};
    ours.sa_handler = leave;
    for (int k = 0; k < 5; ++k) sigaction(FATAL[k], &ours, &before[k]);
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    const unsigned blocks = grid[0] * grid[1] * grid[2], threads = block[0] * block[1] * block[2];
    const int ended = sigsetjmp(escape, 1);
    if (!ended)
        for (unsigned b = 0; b < blocks; ++b)
            for (unsigned t = 0; t < threads; ++t) {
                const unsigned at = backwards ? blocks - 1 - b : b, thread = backwards ? threads - 1 - t : t;
                blockIdx = {at % grid[0], at / grid[0] % grid[1], at / grid[0] / grid[1]};
                threadIdx = {thread % block[0], thread / block[0] % block[1], thread / block[0] / block[1]};
                kernel();
            }
    for (int k = 0; k < 5; ++k) sigaction(FATAL[k], &before[k], nullptr);
    return ended;
}
