sg_fuzz_target(dns_dynamic SOURCES ${CMAKE_CURRENT_LIST_DIR}/dns_dynamic.c ROOMS dns)
