// What the net is shown of an image of bytes (data/views.py): a window, mirrored or not, less the mean, plus a colour.
//
//     view[y, x, c] = (image[top + y, left + x, c] - mean[y, x, c] + colour[c]) / divisor       (mirrored: left + w - 1 - x)
//
// The images come in any memory order, as strides in bytes; a byte then crosses to the GPU where a float of four would. The
// mean belongs either to the view, (h, w, C), or to the image, (H, W, C): then each pixel loses its own, wherever it went.

struct Images {
    int images, C, H, W;                     // the images
    int N, h, w;                             // their views: view n is of image n mod `images`
    int mean_of_image;                       // 1: the mean is (H, W, C); 0: (h, w, C)
    long long sN, sC, sH, sW;                // strides of the images
};

extern "C" __global__ void views(
    const unsigned char* __restrict__ images, const int* __restrict__ tops, const int* __restrict__ lefts,
    const unsigned char* __restrict__ mirrored, const REAL* __restrict__ mean, const REAL* __restrict__ colours,
    REAL* __restrict__ out, REAL divisor, Images g)
{
    const unsigned along = unsigned(g.w) * g.C;                      // the numbers of one row of a view
    for (int n = blockIdx.y; n < g.N; n += gridDim.y)
        for (int y = blockIdx.x * blockDim.y + threadIdx.y; y < g.h; y += gridDim.x * blockDim.y)
            for (unsigned t = threadIdx.x; t < along; t += blockDim.x) {
                const int c = t % g.C, x = t / g.C;
                const int row = tops[n] + y, column = lefts[n] + (mirrored[n] ? g.w - 1 - x : x);
                const long long of_image = ((long long)row * g.W + column) * g.C + c, of_view = (long long)y * along + t;
                REAL value = images[n % g.images * g.sN + c * g.sC + row * g.sH + column * g.sW];
                value -= mean[g.mean_of_image ? of_image : of_view];
                value += colours[n * g.C + c];
                out[((long long)n * g.h + y) * along + t] = value / divisor;
            }
}
