sg_fuzz_target(dns_dynamic SOURCES ${CMAKE_CURRENT_LIST_DIR}/dns_dynamic.c ROOMS dns)
sg_fuzz_target(dns_message SOURCES ${CMAKE_CURRENT_LIST_DIR}/dns_message.c ROOMS dns)
sg_fuzz_target(dns_resolv_conf SOURCES ${CMAKE_CURRENT_LIST_DIR}/dns_resolv_conf.c ROOMS dns)
sg_fuzz_target(dns_cache SOURCES ${CMAKE_CURRENT_LIST_DIR}/dns_cache.c ROOMS dns)
