// Average pooling (layers/pool.py): y[i, j] is the mean of the n_ij real pixels under window (i, j), and each of them receives
// dy[i, j] / n_ij. Padding is neither added nor counted.

__device__ inline int real_pixels(Windows g, int i, int j)                                    // n_ij
{
    const int y0 = i * g.sH - g.top, x0 = j * g.sW - g.left;
    return (min(g.kH, g.H - y0) - max(0, -y0)) * (min(g.kW, g.W - x0) - max(0, -x0));
}

template <typename Item>
__device__ void take_means(const Item* x, Item* y, Windows g)
{
    const unsigned numbers = unsigned(g.oH) * g.oW * g.C;
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < numbers; t += gridDim.x * blockDim.x) {
            const int c = t % g.C, i = t / g.C / g.oW, j = t / g.C % g.oW, y0 = i * g.sH - g.top, x0 = j * g.sW - g.left;
            Item mean = Item();
            for (int u = max(0, -y0); u < min(g.kH, g.H - y0); ++u)
                for (int v = max(0, -x0); v < min(g.kW, g.W - x0); ++v) {
                    const Item pixel = x[(((long long)n * g.H + y0 + u) * g.W + x0 + v) * g.C + c];
                    for (int k = 0; k < PARTS(Item); ++k) part(mean, k) += part(pixel, k);
                }
            for (int k = 0; k < PARTS(Item); ++k) part(mean, k) /= real_pixels(g, i, j);
            y[(long long)n * numbers + t] = mean;
        }
}

template <typename Item>
__device__ void share_gradients(const Item* dy, Item* dx, Windows g)
{
    const unsigned numbers = unsigned(g.H) * g.W * g.C;
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < numbers; t += gridDim.x * blockDim.x) {
            const int c = t % g.C, y = t / g.C / g.W + g.top, x = t / g.C % g.W + g.left;     // in the padded image
            const int i0 = first_window(y, g.kH, g.sH), j0 = first_window(x, g.kW, g.sW);
            Item sum = Item();
            for (int i = last_window(y, g.sH, g.oH); i >= i0; --i)
                for (int j = last_window(x, g.sW, g.oW); j >= j0; --j) {
                    const Item d = dy[(((long long)n * g.oH + i) * g.oW + j) * g.C + c];
                    for (int k = 0; k < PARTS(Item); ++k) part(sum, k) += part(d, k) / real_pixels(g, i, j);
                }
            dx[(long long)n * numbers + t] = sum;
        }
}

extern "C" __global__ void avg_pool_forward(const REAL* __restrict__ x, REAL* __restrict__ y, Windows g)
{
    take_means(x, y, g);
}
extern "C" __global__ void avg_pool_forward_vectors(const Vector* __restrict__ x, Vector* __restrict__ y, Windows g)
{
    take_means(x, y, g);
}
extern "C" __global__ void avg_pool_backward(const REAL* __restrict__ dy, REAL* __restrict__ dx, Windows g)
{
    share_gradients(dy, dx, g);
}
extern "C" __global__ void avg_pool_backward_vectors(const Vector* __restrict__ dy, Vector* __restrict__ dx, Windows g)
{
    share_gradients(dy, dx, g);
}
