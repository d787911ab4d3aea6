// Local response normalisation (layers/lrn.py), with W(i) = [i - size/2, i - size/2 + size) clipped to i's group of channels:
//
//     forward    d_i = k + alpha sum_{j in W(i)} x_j^2          y_i = x_i d_i^-beta
//     backward   dx_i = dy_i d_i^-beta - 2 alpha beta x_i sum_{m: i in W(m)} t_m,       t_m = dy_m y_m / d_m
//
// A thread makes STRIP neighbouring channels of a pixel. It walks once over all the channels that any of their windows holds,
// so that the costly t_m is computed twice for each channel, not size times. Forward keeps d; y = x d^-beta is made again.

#define STRIP 4

// The paper's d^-0.75 = d^-1/2 d^-1/4 takes two roots; any other exponent takes a power.
__device__ inline REAL fall_off(REAL d, REAL beta)
{
    if (beta != REAL(0.75)) return pow(d, -beta);
    const REAL root = rsqrt(d);
    return root * sqrt(root);
}

// The channels [low, high) that lie in a window which begins `before` channels before channel i.
__device__ inline void window_of(int i, int before, int size, int C, int groups, int* low, int* high)
{
    const int width = C / groups, group = groups == 1 ? 0 : i / width;
    *low = max(i - before, group * width);
    *high = min(i - before + size, (group + 1) * width);
}

extern "C" __global__ void lrn_forward(
    const REAL* __restrict__ x, REAL* __restrict__ y, REAL* __restrict__ d,
    int N, int pixels, int C, int groups, int size, REAL alpha, REAL beta, REAL k)
{
    const unsigned strips = (C + STRIP - 1) / STRIP;
    for (int n = blockIdx.y; n < N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < pixels * strips; t += gridDim.x * blockDim.x) {
            const long long pixel = ((long long)n * pixels + t / strips) * C;
            const int first = t % strips * STRIP;
            int low[STRIP], high[STRIP];
            REAL sum[STRIP];
            for (int s = 0; s < STRIP; ++s) {
                window_of(first + s, size / 2, size, C, groups, &low[s], &high[s]);
                sum[s] = 0;
            }
            for (int j = max(0, first - size / 2); j < min(C, first + STRIP - 1 - size / 2 + size); ++j) {
                const REAL square = x[pixel + j] * x[pixel + j];
                for (int s = 0; s < STRIP; ++s)
                    if (low[s] <= j && j < high[s]) sum[s] += square;
            }
            for (int s = 0; s < STRIP; ++s) {
                const int i = first + s;
                if (i >= C) break;
                const REAL di = alpha * sum[s] + k;
                d[pixel + i] = di;
                y[pixel + i] = x[pixel + i] * fall_off(di, beta);
            }
        }
}

// i in W(m) says m - size/2 <= i < m - size/2 + size: m lies in the mirrored window, which begins size - 1 - size/2 before i.
extern "C" __global__ void lrn_backward(
    const REAL* __restrict__ dy, const REAL* __restrict__ x, const REAL* __restrict__ d, REAL* __restrict__ dx,
    int N, int pixels, int C, int groups, int size, REAL beta, REAL two_alpha_beta)
{
    const unsigned strips = (C + STRIP - 1) / STRIP;
    const int before = size - 1 - size / 2;
    for (int n = blockIdx.y; n < N; n += gridDim.y)
        for (unsigned t = blockIdx.x * blockDim.x + threadIdx.x; t < pixels * strips; t += gridDim.x * blockDim.x) {
            const long long pixel = ((long long)n * pixels + t / strips) * C;
            const int first = t % strips * STRIP;
            int low[STRIP], high[STRIP];
            REAL sum[STRIP];
            for (int s = 0; s < STRIP; ++s) {
                window_of(first + s, before, size, C, groups, &low[s], &high[s]);
                sum[s] = 0;
            }
            for (int m = max(0, first - before); m < min(C, first + STRIP - 1 - before + size); ++m) {
                const REAL dm = d[pixel + m], ym = x[pixel + m] * fall_off(dm, beta);
                const REAL tm = dy[pixel + m] * ym / dm;
                for (int s = 0; s < STRIP; ++s)
                    if (low[s] <= m && m < high[s]) sum[s] += tm;
            }
            for (int s = 0; s < STRIP; ++s) {
                const int i = first + s;
                if (i >= C) break;
                dx[pixel + i] = dy[pixel + i] * fall_off(d[pixel + i], beta) - two_alpha_beta * x[pixel + i] * sum[s];
            }
        }
}
