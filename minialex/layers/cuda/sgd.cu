// The paper's update (optim.py), each number read and written once, its four steps rounded one by one as NumPy rounds them:
//
//     v <- momentum v - lr dw - (weight_decay lr) w          w <- w + v

template <typename Item>
__device__ void move_weights(
    Item* w, const Item* dw, Item* v, long long size, REAL lr, REAL momentum, REAL decay)
{
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
    REAL* __restrict__ w, const REAL* __restrict__ dw, REAL* __restrict__ v, long long size, REAL lr, REAL momentum, REAL decay)
{
    move_weights(w, dw, v, size, lr, momentum, decay);
}
extern "C" __global__ void sgd_update_vectors(
    Vector* __restrict__ w, const Vector* __restrict__ dw, Vector* __restrict__ v,
    long long size, REAL lr, REAL momentum, REAL decay)
{
    move_weights(w, dw, v, size, lr, momentum, decay);
}
