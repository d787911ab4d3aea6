// What all kernels share. They are one module: this file first, then the others, compiled together with -DREAL=float or
// -DREAL=double and without contraction of a * b + c, so that sums and products round exactly as NumPy's do.
//
// Images lie channels-last, (N, H, W, C): neighbouring threads work on neighbouring channels and touch neighbouring memory.
// A kernel has no shared memory, no barrier and no atomic addition: every result belongs to one thread, which gathers what it
// needs, in a fixed order (only in not_finite.cu may any thread write, and all the same). That makes each kernel deterministic,
// and it can be run, thread after thread, on a CPU.
//
// The grid may be smaller than the work: each loop goes on, a whole grid further. Within an image 32 bits count; distances
// from the beginning of an array are long long.

struct alignas(16) Vector {                  // 16 bytes, which a thread can move at once: a float4, or a double2
    REAL at[16 / sizeof(REAL)];
};

// Most kernels are written for an Item: a REAL, or a Vector where every length is a multiple of a Vector's. C, pitch and every
// other length are then counted in Items. PARTS is the number of REALs in one, part(item, k) the k-th of them.
#define PARTS(Item) ((int)(sizeof(Item) / sizeof(REAL)))

__device__ inline REAL& part(REAL& item, int) { return item; }
__device__ inline REAL& part(Vector& item, int k) { return item.at[k]; }
__device__ inline const REAL& part(const REAL& item, int) { return item; }
__device__ inline const REAL& part(const Vector& item, int k) { return item.at[k]; }

// Windows that slide over images: output position (i, j) sees the pixels (i sH - top + u, j sW - left + v), u < kH, v < kW.
struct Windows {
    int N, H, W, C;       // the images
    int pitch;            // from one pixel to the next in memory: C, or more where C channels are a slice of an image's
    int oH, oW;           // the output positions
    int kH, kW, sH, sW, top, left;
};

// The outputs i whose window covers a pixel, in one direction: those with i stride <= place < i stride + kernel, where
// `place` is counted from the beginning of the padding.
__device__ inline int first_window(int place, int kernel, int stride)
{
    return place < kernel ? 0 : (place - kernel) / stride + 1;
}
__device__ inline int last_window(int place, int stride, int outputs) { return min(place / stride, outputs - 1); }
