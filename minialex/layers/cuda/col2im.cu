// col2im: dx[n, y, x, c] = the sum of dX[n, i, j, u, v, c] over all places (i sH - top + u, j sW - left + v) = (y, x).
//                                                                                   (layers/conv.py, layers/im2col.py)
// Adding each dX[p, q] where it belongs would need atomic additions, whose order changes from run to run. Instead one thread
// stands on each number of dx and gathers its at most ceil(kH / sH) ceil(kW / sW) contributions, in the order of NumPy's loop:
// u and v grow while i and j fall.

template <typename Item>
__device__ void gather_patches(const Item* dX, Item* dx, Windows g)
{
    const unsigned numbers = unsigned(g.H) * g.W * g.C;
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < numbers; t += gridDim.x * blockDim.x) {
            const unsigned pixel = t / g.C;
            const int c = t % g.C, y = pixel / g.W + g.top, x = pixel % g.W + g.left;         // in the padded image
            const int i0 = first_window(y, g.kH, g.sH), j0 = first_window(x, g.kW, g.sW);
            Item sum = Item();
            for (int i = last_window(y, g.sH, g.oH); i >= i0; --i)
                for (int j = last_window(x, g.sW, g.oW); j >= j0; --j) {
                    const int u = y - i * g.sH, v = x - j * g.sW;
                    const Item d = dX[(((((long long)n * g.oH + i) * g.oW + j) * g.kH + u) * g.kW + v) * g.C + c];
                    for (int k = 0; k < PARTS(Item); ++k) part(sum, k) += part(d, k);
                }
            dx[((long long)n * g.H * g.W + pixel) * g.pitch + c] = sum;
        }
}

extern "C" __global__ void col2im(const REAL* __restrict__ dX, REAL* __restrict__ dx, Windows g)
{
    gather_patches(dX, dx, g);
}
extern "C" __global__ void col2im_vectors(const Vector* __restrict__ dX, Vector* __restrict__ dx, Windows g)
{
    gather_patches(dX, dx, g);
}
