# Which target feeds which parser: fuzz/README.md.
set(driver ${PROJECT_SOURCE_DIR}/tests/smtp/server_driver.c)
sg_fuzz_target(smtp_server SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_server.c ${driver} ROOMS smtp)
sg_fuzz_target(smtp_cuts SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_cuts.c ${driver} ROOMS smtp)
sg_fuzz_target(smtp_client SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_client.c ROOMS smtp)
sg_fuzz_target(smtp_words SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_words.c ROOMS smtp)
sg_fuzz_target(smtp_header SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_header.c ROOMS smtp)
sg_fuzz_target(smtp_addr SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_addr.c ROOMS smtp)
sg_fuzz_target(smtp_policy SOURCES ${CMAKE_CURRENT_LIST_DIR}/smtp_policy.c ROOMS smtp)
