// 128-bit integers, for products of two 64-bit ones.
#pragma once

namespace harrow {
__extension__ using u128 = unsigned __int128;
__extension__ using i128 = __int128;
}
