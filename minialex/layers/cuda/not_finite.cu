// Whether an array holds a number that is infinite or none: *found becomes 1 if it does, and stays what it is if not.
//
//     x - x = 0  for a number, and nan for an infinite one and for nan
//
// Any thread may say so, and all that do write the same 1: no order of theirs can show. Where *stopped is not 0 nobody looks:
// what was found then is what the host will be told.

extern "C" __global__ void not_finite(
    const REAL* __restrict__ x, int* __restrict__ found, const int* __restrict__ stopped, long long size)
{
    if (*stopped) return;
    bool finite = true;
    for (long long t = (long long)blockIdx.x * blockDim.x + threadIdx.x; t < size; t += (long long)gridDim.x * blockDim.x)
        finite &= x[t] - x[t] == 0;
    if (!finite) *found = 1;
}
