sg_fuzz_target(net_proxy SOURCES ${CMAKE_CURRENT_LIST_DIR}/net_proxy.c ROOMS net)
