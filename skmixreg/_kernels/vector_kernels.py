"""Elementary functions that LLVM can vectorise.

`exp` and `log` of libm are calls, which stop a loop from being vectorised.  The versions here
are straight-line arithmetic on the bits of a double; inside a loop over an array they run 4 or 8
at a time.
"""

from __future__ import annotations

from numba import types
from numba.extending import intrinsic

from .compile import inlined, part

# Rows per block.  A constant length spares the remainders of loops.
BLOCK = 512

# No "reassoc" where the order of operations carries the rounding; it is safe in reductions.
EXACT = {"contract", "nsz"}
REDUCE = {"contract", "nsz", "reassoc"}

LOG2E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01  # 33 bits: m * LN2_HIGH is exact
LN2_LOW = 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2^52: x + ROUND holds round(x) in its lowest bits
ROUND_BITS = 0x4338000000000000
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


@intrinsic
def float_bits(typingctx, x):
    """Bits of a float64 as an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.int64))

    return types.int64(types.float64), generate


@intrinsic
def bits_float(typingctx, x):
    """The float64 with the bits of an int64."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(types.float64))

    return types.float64(types.int64), generate


@part(fastmath=EXACT)
def _exp(x):
    """Exponential of ``|x| <= 700``."""
    shifted = x * LOG2E + ROUND
    m = shifted - ROUND
    r = (x - m * LN2_HIGH) - m * LN2_LOW
    # (exp(r) - 1) / r on |r| <= log(2) / 2, interpolated at Chebyshev nodes
    q = 2.7620088445409746e-07
    q = q * r + 2.763265575933203e-06
    q = q * r + 2.4801521295954376e-05
    q = q * r + 0.0001984119061583585
    q = q * r + 0.0013888888917213717
    q = q * r + 0.008333333367332009
    q = q * r + 0.04166666666662413
    q = q * r + 0.16666666666615607
    q = q * r + 0.5000000000000001
    q = q * r + 1.0000000000000013
    return (1.0 + r * q) * bits_float((float_bits(shifted) + 1023) << 52)


@inlined
def clipped(x, most):
    """``x``, or what is nearest to it between -most and most; nan stays nan."""
    x = -most if x < -most else x
    return most if x > most else x


@part(fastmath=EXACT)
def exp_nonpositive(x):
    """Exponential of ``x <= 0``, relative error 1e-15; exp(-700) below -700.

    That floor is a normal number, and nothing beside the largest term of a sum, which is 1.
    """
    return _exp(-700.0 if x < -700.0 else x)  # this way round nan stays nan


@part(fastmath=EXACT)
def exp_any(x):
    """Exponential of any ``x``, relative error 1e-15; constant beyond -700 and 700."""
    x = -700.0 if x < -700.0 else x
    return _exp(700.0 if x > 700.0 else x)


@part(fastmath=EXACT)
def log_positive(x):
    """Logarithm, to 2 ulp, of a number between 1e-300 and 1e300: the algorithm of fdlibm."""
    exponent = (float_bits(x) - SQRT_HALF_BITS) >> 52
    # sqrt(1/2) <= 1 + f < sqrt(2); a product with x so that nan stays nan
    f = x * bits_float((1023 - exponent) << 52) - 1.0
    m = bits_float(exponent + ROUND_BITS) - ROUND
    s = f / (2.0 + f)
    z = s * s
    q = 1.479819860511658591e-01
    q = q * z + 1.531383769920937332e-01
    q = q * z + 1.818357216161805012e-01
    q = q * z + 2.222219843214978396e-01
    q = q * z + 2.857142874366239149e-01
    q = q * z + 3.999999999940941908e-01
    q = q * z + 6.666666666666735130e-01
    half = 0.5 * f * f
    return m * LN2_HIGH - ((half - (s * (half + z * q) + m * LN2_LOW)) - f)


@part(fastmath=REDUCE)
def total(x, n):
    """Sum of ``x[:n]``."""
    out = 0.0
    for i in range(n):
        out += x[i]
    return out


@part(fastmath=REDUCE)
def dot(x, y, n):
    """Sum of ``x[:n] * y[:n]``."""
    out = 0.0
    for i in range(n):
        out += x[i] * y[i]
    return out


@part
def copy_to(x, out):
    """Overwrite ``out``.

    Assignments of whole arrays have an error for shapes that differ, and its text takes seconds to
    compile.
    """
    for i in range(out.shape[0]):
        out[i] = x[i]
