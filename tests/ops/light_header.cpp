#include "cugad/ops.hpp"

/// A file that launches ops should compile in no time: the contracts need no more of the standard library than texts.
#if defined(_GLIBCXX_MEMORY) || defined(_GLIBCXX_FUNCTIONAL) || defined(_GLIBCXX_MAP) || defined(_GLIBCXX_VECTOR)
#error "cugad/ops.hpp includes a heavy header: <memory>, <functional>, <map> or <vector>"
#endif
