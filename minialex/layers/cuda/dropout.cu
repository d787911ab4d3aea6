// Dropout (layers/dropout.py): y = m x, each m independently 0 with probability p, else 1; alone, or together with the bias
// and the ReLU before it. The mask is not stored: backward is the same kernel on dy, and makes it again.
//
// Random numbers: Philox 4x64-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), which turns a key
// and a counter into four words of 64 bits by ten rounds of multiplications, so that any thread can have any part of the
// sequence. It is the generator numpy.random.Philox, read as NumPy reads it: block b of eight numbers has the counter
// start + 1 + b; each word gives two numbers in [0, 1), its lower half first, of 24 bits each. So a CPU draws the same mask.

struct Draw {                                // which numbers: the generator's key, and its counter when the mask was begun
    unsigned long long key0, key1, counter0, counter1, counter2, counter3;
    unsigned int limit;                      // a number is kept if its 24 bits are at least this: p 2^24
};

__device__ inline void philox_block(Draw draw, unsigned long long block, unsigned long long* word)
{
    unsigned long long a = draw.counter0, b = draw.counter1, c = draw.counter2, d = draw.counter3;
    unsigned long long key0 = draw.key0, key1 = draw.key1;
    a += block + 1;                                                  // a counter of 256 bits
    if (a <= block && ++b == 0 && ++c == 0) ++d;
    for (int round = 0; round < 10; ++round) {
        const unsigned long long high0 = __umul64hi(0xD2E7470EE14C6C93ull, a), low0 = 0xD2E7470EE14C6C93ull * a;
        const unsigned long long high1 = __umul64hi(0xCA5A826395121157ull, c), low1 = 0xCA5A826395121157ull * c;
        a = high1 ^ b ^ key0;
        b = low1;
        c = high0 ^ d ^ key1;
        d = low0;
        key0 += 0x9E3779B97F4A7C15ull;
        key1 += 0xBB67AE8584CAA73Bull;
    }
    word[0] = a, word[1] = b, word[2] = c, word[3] = d;
}

// The mask's numbers go row by row over `rows` rows of `width` columns: a slice of x, whose rows are `pitch` apart.
// With a bias: y = m max(0, x + b). x may be y itself. A thread makes one block of eight.
__device__ inline void silence(
    const REAL* x, const REAL* bias, REAL* y, long long rows, long long width, long long pitch, Draw draw)
{
    const long long start = (long long)blockIdx.x * blockDim.x + threadIdx.x, step = (long long)gridDim.x * blockDim.x;
    const long long numbers = rows * width;
    for (long long b = start; b * 8 < numbers; b += step) {
        unsigned long long word[4];
        philox_block(draw, b, word);
        long long row = b * 8 / width, column = b * 8 % width;
        for (int k = 0; k < 8; ++k) {
            if (b * 8 + k < numbers) {
                const unsigned int bits = unsigned(word[k / 2] >> (k % 2 ? 32 : 0)) >> 8;
                REAL z = x[row * pitch + column];
                if (bias) z += bias[column];
                if (bias && z < 0) z = 0;
                y[row * pitch + column] = z * REAL(bits >= draw.limit);
            }
            if (++column == width) column = 0, ++row;
        }
    }
}

extern "C" __global__ void dropout(
    const REAL* __restrict__ x, REAL* __restrict__ y, long long rows, long long width, long long pitch, Draw draw)
{
    silence(x, nullptr, y, rows, width, pitch, draw);
}
extern "C" __global__ void bias_relu_dropout(
    REAL* __restrict__ y, const REAL* __restrict__ bias, long long rows, long long width, long long pitch, Draw draw)
{
    silence(y, bias, y, rows, width, pitch, draw);
}
