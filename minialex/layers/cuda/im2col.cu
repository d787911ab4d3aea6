// im2col: X[p, q] = x_padded[n, i sH + u, j sW + v, c] for p = (n, i, j), q = (u, v, c).    (layers/conv.py, layers/im2col.py)
//
// A row of threads walks along a row of X. The kW C numbers of one kernel row (u fixed) lie side by side in x as in X, so the
// threads copy long runs; where the window hangs over the image's edge they write the zeros of the padding, which is never
// stored. Each number is written once, and read from the cache in all but the first of the patches that share it.

template <typename Item>
__device__ void copy_patches(const Item* x, Item* X, Windows g)
{
    const int run = g.kW * g.C, row = g.kH * run;
    const unsigned positions = unsigned(g.oH) * g.oW;
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (unsigned p = blockIdx.x * blockDim.y + threadIdx.y; p < positions; p += gridDim.x * blockDim.y) {
            const int y0 = int(p / g.oW) * g.sH - g.top, x0 = int(p % g.oW) * g.sW - g.left;  // the window's first pixel
            const int begin = max(0, -x0) * g.C, end = min(g.kW, g.W - x0) * g.C;             // what of a run is inside
            const long long corner = ((long long)n * g.H + y0) * g.W + x0;
            Item* const to = X + ((long long)n * positions + p) * row;
            int u = 0, e = threadIdx.x;                                                       // e = v C + c
            for (int q = threadIdx.x; q < row; q += blockDim.x, e += blockDim.x) {
                for (; e >= run; e -= run) ++u;
                const bool inside = 0 <= y0 + u && y0 + u < g.H && begin <= e && e < end;
                const int along = g.pitch == g.C ? e : e / g.C * g.pitch + e % g.C;
                to[q] = inside ? x[(corner + (long long)u * g.W) * g.pitch + along] : Item();
            }
        }
}

extern "C" __global__ void im2col(const REAL* __restrict__ x, REAL* __restrict__ X, Windows g)
{
    copy_patches(x, X, g);
}
extern "C" __global__ void im2col_vectors(const Vector* __restrict__ x, Vector* __restrict__ X, Windows g)
{
    copy_patches(x, X, g);
}
