// The paper's update (optim.py), each number read and written once, its four steps rounded one by one as NumPy rounds them:
//
//     v <- momentum v - lr dw - (weight_decay lr) w          w <- w + v
//
// Where `unless` points to an int that is not 0, nothing is done: some number of a gradient is none (not_finite.cu), and the
// host, which will end the run, does not know yet. It may be null.

template <typename Item>
__device__ void move_weights(
    Item* w, const Item* dw, Item* v, const int* unless, long long size, REAL lr, REAL momentum, REAL decay)
{
    if (unless && *unless) return;
    for (long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x; t < size; t += (long long)gridDim.x * blockDim.x) {
        Item weight = w[t], speed = v[t];
        const Item slope = dw[t];
        for (int k = 0; k < PARTS(Item); ++k) {
            part(speed, k) *= momentum;
            part(speed, k) -= lr * part(slope, k);
            if (decay != 0) part(speed, k) -= decay * part(weight, k);
            part(weight, k) += part(speed, k);
        }
        v[t] = speed;
        w[t] = weight;
    }
}

extern "C" __global__ void sgd_update(
    REAL* __restrict__ w, const REAL* __restrict__ dw, REAL* __restrict__ v, const int* __restrict__ unless,
    long long size, REAL lr, REAL momentum, REAL decay)
{
    move_weights(w, dw, v, unless, size, lr, momentum, decay);
}
extern "C" __global__ void sgd_update_vectors(
    Vector* __restrict__ w, const Vector* __restrict__ dw, Vector* __restrict__ v, const int* __restrict__ unless,
    long long size, REAL lr, REAL momentum, REAL decay)
{
    move_weights(w, dw, v, unless, size, lr, momentum, decay);
}
