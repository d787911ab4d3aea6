// What follows the matrix product of a convolution or a linear layer, in one pass over its result: y = max(0, Y + b), or
// Y + b alone; and the way back, dY = dy [y > 0] with db = the sum of dY over all rows.        (layers/conv.py, activation.py)
//
// Y has a row for each position and a column for each of C outputs. nan stays nan.

template <typename Item>
__device__ void add_bias(Item* y, const Item* bias, long long rows, int C, int relu)
{
    const long long start = (long long)blockIdx.x * blockDim.x + threadIdx.x, step = (long long)gridDim.x * blockDim.x;
    const int columns = step % C;                                    // how many columns further each step leads
    int c = start % C;
    for (long long t = start; t < rows * C; t += step) {
        Item z = y[t];
        const Item b = bias[c];
        for (int k = 0; k < PARTS(Item); ++k) {
            part(z, k) += part(b, k);
            if (relu && part(z, k) < 0) part(z, k) = 0;
        }
        y[t] = z;
        c = c < C - columns ? c + columns : c - (C - columns);
    }
}

// Thread t takes the numbers t, t + chunks C, t + 2 chunks C, ...: the step is a multiple of C, so it stays in one column and
// can add what it sees. partial (chunks, C) has the sums of all threads; their sum over the chunks is db.
template <typename Item>
__device__ void mask_and_sum(
    const Item* dy, const Item* y, Item* dY, Item* partial,
    long long rows, int C, int chunks)
{
    const long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x, step = (long long)chunks * C;
    if (t >= step) return;
    Item sum = Item();
    for (long long at = t; at < rows * C; at += step) {
        Item d = dy[at];
        const Item out = y[at];
        for (int k = 0; k < PARTS(Item); ++k) {
            part(d, k) *= REAL(part(out, k) > 0);
            part(sum, k) += part(d, k);
        }
        dY[at] = d;
    }
    partial[t] = sum;
}

extern "C" __global__ void bias_relu(REAL* __restrict__ y, const REAL* __restrict__ bias, long long rows, int C, int relu)
{
    add_bias(y, bias, rows, C, relu);
}
extern "C" __global__ void bias_relu_vectors(
    Vector* __restrict__ y, const Vector* __restrict__ bias, long long rows, int C, int relu)
{
    add_bias(y, bias, rows, C, relu);
}
extern "C" __global__ void relu_backward(
    const REAL* __restrict__ dy, const REAL* __restrict__ y, REAL* __restrict__ dY, REAL* __restrict__ partial,
    long long rows, int C, int chunks)
{
    mask_and_sum(dy, y, dY, partial, rows, C, chunks);
}
extern "C" __global__ void relu_backward_vectors(
    const Vector* __restrict__ dy, const Vector* __restrict__ y, Vector* __restrict__ dY, Vector* __restrict__ partial,
    long long rows, int C, int chunks)
{
    mask_and_sum(dy, y, dY, partial, rows, C, chunks);
}
