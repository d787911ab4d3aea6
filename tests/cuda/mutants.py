"""Errors planted in the kernels: edits of a source before it is compiled. The suite named must refuse every one."""

from __future__ import annotations

from typing import NamedTuple

from minialex.layers.cuda.source import FOLDER


class Mutant(NamedTuple):
    """In `file`, `old`, which stands there once, becomes `new`."""

    suite: str
    file: str
    name: str
    old: str
    new: str

    def source(self, uses: str | None = None) -> str:
        """common.cu and the file, with the error in it. uses: the file whose kernels show an error of common.cu."""
        texts = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ("common.cu", self.file, uses or self.file)}
        assert texts[self.file].count(self.old) == 1, f"{self.name}: {self.old!r} does not stand once in {self.file}"
        texts[self.file] = texts[self.file].replace(self.old, self.new)
        return "".join(texts.values())


def of(suite: str, file: str, *edits: tuple[str, str, str]) -> list[Mutant]:
    """Several for one file."""
    return [Mutant(suite, file, *edit) for edit in edits]


PATCHES, POOL, AVERAGE = "im2col and col2im", "max_pool", "avg_pool"
MUTANTS = [
    *of(
        PATCHES,
        "common.cu",
        ("a window too few", "(place - kernel) / stride + 1", "(place - kernel) / stride + 2"),
        ("a window too many", "outputs - 1", "outputs"),
        ("windows before the first", "place < kernel ? 0 : ", ""),
        ("only the first of a vector", "#define PARTS(Item) ((int)(sizeof(Item) / sizeof(REAL)))", "#define PARTS(Item) 1"),
    ),
    *of(
        PATCHES,
        "im2col.cu",
        ("rows above the image", "0 <= y0 + u && ", ""),
        ("rows below the image", "y0 + u < g.H && ", ""),
        ("the end of the row above for padding", "begin <= e && e < end", "e < end"),
        ("the beginning of the row below for padding", "begin <= e && e < end", "begin <= e"),
        ("a slice taken for all channels", "e / g.C * g.pitch + e % g.C", "e"),
        ("the wrong stride", "int(p % g.oW) * g.sW", "int(p % g.oW) * g.sH"),
        ("padding is not zero", ": Item()", ": x[0]"),
        ("one too many", "q < row;", "q <= row;"),
        ("images lie closer", "((long long)n * g.H + y0)", "((long long)n * g.oH + y0)"),
    ),
    *of(
        PATCHES,
        "col2im.cu",
        ("the first row of windows is left out", "i >= i0", "i > i0"),
        ("padding is forgotten", "pixel % g.W + g.left", "pixel % g.W"),
        ("the last one counts, not the sum", "part(sum, k) +=", "part(sum, k) ="),
        ("the kernel is transposed", ") * g.kW + v)", ") * g.kH + v)"),
    ),
    *of("convolution", "col2im.cu", ("a slice is written as a whole", "pixel) * g.pitch", "pixel) * g.C")),
    *of("convolution", "im2col.cu", ("the workspace is shared by two images", "(long long)n * positions + p", "p")),
    *of(
        POOL,
        "max_pool.cu",
        ("the last of equals wins", "now > best", "now >= best"),
        ("zero is in the game", "first || ", ""),
        ("the winner is transposed", "u * g.kW + v;", "v * g.kW + u;"),
        ("a window reaches above the image", "const int u0 = max(0, -y0)", "const int u0 = 0"),
        ("a window reaches below the image", "u1 = min(g.kH, g.H - y0)", "u1 = g.kH"),
        ("nan loses", " || (now != now && best == best)", ""),
        ("all pixels win", "winner.at[k] == place", "winner.at[k] >= 0"),
        ("only one of several windows pays", "part(sum, k) += part(d, k)", "part(sum, k) = part(d, k)"),
        ("heights for widths", "last_window(x, g.sW, g.oW)", "last_window(x, g.sW, g.oH)"),
        ("padding is forgotten", "t / g.C / g.W + g.top", "t / g.C / g.W"),
    ),
    *of(
        AVERAGE,
        "avg_pool.cu",
        ("padding counts", "min(g.kH, g.H - y0) - max(0, -y0)", "g.kH"),
        ("the share ignores the edge", "part(d, k) / real_pixels(g, i, j)", "part(d, k) / (g.kH * g.kW)"),
        ("rows for columns", "part(mean, k) /= real_pixels(g, i, j)", "part(mean, k) /= real_pixels(g, j, i)"),
        ("the sum is not divided", "part(d, k) / real_pixels(g, i, j)", "part(d, k)"),
    ),
    *of(
        "lrn",
        "lrn.cu",
        ("a window is one wider", "min(i - before + size, ", "min(i - before + size + 1, "),
        ("an even window leans the other way", "window_of(first + s, size / 2,", "window_of(first + s, (size - 1) / 2,"),
        ("backward's window is not mirrored", "before = size - 1 - size / 2", "before = size / 2"),
        ("groups see each other", "max(i - before, group * width)", "max(i - before, 0)"),
        ("the neighbours' term is missing", " - two_alpha_beta * x[pixel + i] * sum[s]", ""),
        ("t is not divided by d", "* ym / dm", "* ym"),
        ("every exponent is 0.75", "if (beta != REAL(0.75)) return pow(d, -beta);", "(void)beta;"),
        ("d to the -1", "root * sqrt(root)", "root * root"),
        (
            "the strip's last channels miss a neighbour",
            "first + STRIP - 1 - before + size",
            "first + STRIP - 2 - before + size",
        ),
        ("the last strip goes on", "d[pixel + i] = di;\n", "d[pixel + i + 1] = di;\n"),
    ),
    *of(
        "bias_relu",
        "bias_relu.cu",
        ("the bias stays in its column", "c = c < C - columns ? c + columns : c - (C - columns);", ""),
        ("the bias runs out of its columns", "c < C - columns ? c + columns : c - (C - columns)", "c + columns"),
        ("ReLU is always on", "relu && ", ""),
        ("the kink at one", "part(z, k) < 0", "part(z, k) < 1"),
        ("the gradient passes at zero", "part(out, k) > 0", "part(out, k) >= 0"),
        ("the bias sees what ReLU has stopped", "part(sum, k) += part(d, k)", "part(sum, k) += part(dy[at], k)"),
        ("one thread too many", "if (t >= step) return;", "if (t > step) return;"),
    ),
    *of(
        "dropout",
        "dropout.cu",
        ("the counter begins too early", "a += block + 1;", "a += block;"),
        ("the counter does not carry", "if (a <= block && ++b == 0 && ++c == 0) ++d;", ""),
        ("nine rounds", "round < 10", "round < 9"),
        ("one bit of the key's step", "0x9E3779B97F4A7C15ull", "0x9E3779B97F4A7C14ull"),
        ("the upper half first", "k % 2 ? 32 : 0", "k % 2 ? 0 : 32"),
        ("rows are not left at their end", "if (++column == width) column = 0, ++row;", "++column;"),
        ("nothing is dropped", " * REAL(bits >= draw.limit)", " * REAL(bits >= 0)"),
        ("no ReLU", "if (bias && z < 0) z = 0;", ""),
    ),
    *of(
        "sgd",
        "sgd.cu",
        ("decay makes weights grow", "-= decay *", "+= decay *"),
        ("no momentum", "part(speed, k) *= momentum;", ""),
        ("the new slope is damped too", "-= lr * part(slope, k);", "-= lr * momentum * part(slope, k);"),
        ("rounded in another order", "part(speed, k) *= momentum;", "part(speed, k) = momentum * (part(speed, k) / 3) * 3;"),
        ("velocity is not kept", "v[t] = speed;", ""),
        ("decay is never on", "decay != 0", "decay > 1"),
        ("the flag stops nothing", "if (unless && *unless) return;", "(void)unless;"),
        ("any flag stops all", "if (unless && *unless) return;", "if (unless) return;"),
        ("a flag is always there", "unless && *unless", "*unless"),
    ),
    *of(
        "not_finite",
        "not_finite.cu",
        ("infinite ones pass", "x[t] - x[t] == 0", "x[t] == x[t]"),
        ("nan passes", "x[t] - x[t] == 0", "x[t] - x[t] == 0 || x[t] != x[t]"),
        ("the last one counts", "finite &= ", "finite = "),
        ("the last is not looked at", "t < size;", "t < size - 1;"),
        ("one round only", "t += (long long)gridDim.x * blockDim.x", "t += size"),
        ("a flag is taken back", "if (!finite) *found = 1;", "*found = !finite;"),
        ("found upside down", "if (!finite)", "if (finite)"),
        ("it goes on when all has been stopped", "if (*stopped) return;", "(void)stopped;"),
        ("it stops all itself", "*found = 1;", "*found = 1, *const_cast<int*>(stopped) = 1;"),
        ("the largest are none", "x[t] - x[t] == 0", "x[t] * 2 - x[t] * 2 == 0"),
    ),
    *of(
        "views",
        "views.cu",
        ("the mirror stands one pixel off", "g.w - 1 - x", "g.w - x"),
        ("nothing is mirrored", "mirrored[n] ? g.w - 1 - x : x", "x"),
        ("the means change places", "g.mean_of_image ? of_image : of_view", "g.mean_of_image ? of_view : of_image"),
        ("colours are subtracted", "value += colours", "value -= colours"),
        ("not divided", "value / divisor", "value * divisor"),
        ("every window at the first place", "lefts[n] +", "lefts[0] +"),
        ("views of one image in a row", "n % g.images", "n / (g.N / g.images)"),
    ),
]
