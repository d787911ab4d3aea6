// Overlapping max-pooling (layers/pool.py): y[i, j] = max over (u, v) of x[i sH - top + u, j sW - left + v], and its backward
// pass: dy[i, j] goes to the pixel (u*, v*) that won, and a pixel that won in several windows collects several gradients.
//
// Forward notes the winner of each window as u* kW + v* in one byte. It looks at real pixels only, so padding cannot win, in
// row-major order, and only a larger one takes the lead, so of equal pixels the first wins. A nan beats every number.
// Backward stands on each pixel, and asks the few windows that cover it who has won.

template <typename Item>
struct alignas(sizeof(Item) / sizeof(REAL)) Winners {  // of the channels of an Item
    unsigned char at[PARTS(Item)];
};

template <typename Item>
__device__ void find_largest(const Item* x, Item* y, Winners<Item>* winners, Windows g)
{
    const unsigned numbers = unsigned(g.oH) * g.oW * g.C;
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < numbers; t += gridDim.x * blockDim.x) {
            const int c = t % g.C, y0 = int(t / g.C / g.oW) * g.sH - g.top, x0 = int(t / g.C % g.oW) * g.sW - g.left;
            const int u0 = max(0, -y0), u1 = min(g.kH, g.H - y0), v0 = max(0, -x0), v1 = min(g.kW, g.W - x0);
            Item largest = Item();
            Winners<Item> winner = Winners<Item>();
            for (int u = u0; u < u1; ++u)
                for (int v = v0; v < v1; ++v) {
                    const Item pixel = x[(((long long)n * g.H + y0 + u) * g.W + x0 + v) * g.C + c];
                    const bool first = u == u0 && v == v0;
                    for (int k = 0; k < PARTS(Item); ++k) {
                        const REAL now = part(pixel, k), best = part(largest, k);
                        if (first || now > best || (now != now && best == best)) {
                            part(largest, k) = now;
                            winner.at[k] = u * g.kW + v;
                        }
                    }
                }
            y[(long long)n * numbers + t] = largest;
            winners[(long long)n * numbers + t] = winner;
        }
}

template <typename Item>
__device__ void reward_winners(const Item* dy, const Winners<Item>* winners, Item* dx, Windows g)
{
    const unsigned numbers = unsigned(g.H) * g.W * g.C;
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < numbers; t += gridDim.x * blockDim.x) {
            const int c = t % g.C, y = t / g.C / g.W + g.top, x = t / g.C % g.W + g.left;     // in the padded image
            const int i0 = first_window(y, g.kH, g.sH), j0 = first_window(x, g.kW, g.sW);
            Item sum = Item();
            for (int i = last_window(y, g.sH, g.oH); i >= i0; --i)
                for (int j = last_window(x, g.sW, g.oW); j >= j0; --j) {
                    const long long window = (((long long)n * g.oH + i) * g.oW + j) * g.C + c;
                    const int place = (y - i * g.sH) * g.kW + x - j * g.sW;
                    const Item d = dy[window];
                    const Winners<Item> winner = winners[window];
                    for (int k = 0; k < PARTS(Item); ++k)
                        if (winner.at[k] == place) part(sum, k) += part(d, k);
                }
            dx[(long long)n * numbers + t] = sum;
        }
}

extern "C" __global__ void max_pool_forward(
    const REAL* __restrict__ x, REAL* __restrict__ y, Winners<REAL>* __restrict__ winners, Windows g)
{
    find_largest(x, y, winners, g);
}
extern "C" __global__ void max_pool_forward_vectors(
    const Vector* __restrict__ x, Vector* __restrict__ y, Winners<Vector>* __restrict__ winners, Windows g)
{
    find_largest(x, y, winners, g);
}
extern "C" __global__ void max_pool_backward(
    const REAL* __restrict__ dy, const Winners<REAL>* __restrict__ winners, REAL* __restrict__ dx, Windows g)
{
    reward_winners(dy, winners, dx, g);
}
extern "C" __global__ void max_pool_backward_vectors(
    const Vector* __restrict__ dy, const Winners<Vector>* __restrict__ winners, Vector* __restrict__ dx, Windows g)
{
    reward_winners(dy, winners, dx, g);
}
