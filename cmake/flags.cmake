# Warnings, hardening and sanitizers for every target.
add_compile_definitions(_GNU_SOURCE)
add_compile_options(
  -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wformat=2 -Wundef -Wvla -Wmissing-prototypes
  -Wimplicit-fallthrough -Wswitch -fno-strict-aliasing)
if(SG_WERROR)
  add_compile_options(-Werror)
endif()

if(SG_SANITIZE)
  add_compile_options(-fsanitize=${SG_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SG_SANITIZE})
  if(CMAKE_C_COMPILER_ID STREQUAL "Clang")
    # an empty slice is NULL + 0, which every compiler takes and C2y defines (N3322); address finds real overflows
    add_compile_options(-fno-sanitize=pointer-overflow)
  endif()
endif()

# Not atomic: a count may come out too small between threads, but not as zero.
if(SG_COVERAGE)
  add_compile_options(--coverage -O1)
  add_link_options(--coverage)
endif()

set(SG_HARDENING -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
  list(APPEND SG_HARDENING -ftrivial-auto-var-init=pattern)
else()
  list(APPEND SG_HARDENING -ftrivial-auto-var-init=zero)
endif()
add_compile_options("$<$<CONFIG:Release,RelWithDebInfo>:${SG_HARDENING}>")
if(NOT SG_SANITIZE)
  add_compile_options("$<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")
endif()
add_link_options(-pie -Wl,-z,relro,-z,now)

# Release: across the files of all rooms, for the small functions of base/ that everything calls.
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT SG_SANITIZE)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT SG_IPO OUTPUT SG_IPO_WHY LANGUAGES C)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${SG_IPO})
endif()
