/* The socket's place: folder, mode, what is in the way. */
#include "ctl/listen.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const uid_t keep_uid = (uid_t)-1;
static const gid_t keep_gid = (gid_t)-1;
static char top[64], folder[80], path[100];

static int setup(void **state)
{
	(void)state;
	snprintf(top, sizeof(top), "/tmp/sg_ctl_XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(folder, sizeof(folder), "%s/run", top);
	snprintf(path, sizeof(path), "%s/control", folder);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	rmdir(folder);
	return rmdir(top);
}

static void assert_fails(const char *where, const char *sentence)
{
	struct buf error = { 0 };
	assert_int_equal(ctl_listen(where, keep_uid, keep_gid, &error), -1);
	if (!memmem(buf_slice(&error).p, buf_len(&error), sentence, strlen(sentence)))
		fail_msg("\"%s\" is not in: %.*s", sentence, SLICE_ARG(buf_slice(&error)));
	buf_release(&error);
}

static int listen_there(void)
{
	struct buf error = { 0 };
	int fd = ctl_listen(path, keep_uid, keep_gid, &error);
	if (fd < 0)
		fail_msg("%.*s", SLICE_ARG(buf_slice(&error)));
	return fd;
}

static void folder_and_socket_have_their_modes(void **state)
{
	(void)state;
	struct stat st;
	mode_t before = umask(0);
	int fd = listen_there();
	assert_int_equal(umask(before), 0);
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_true(S_ISSOCK(st.st_mode));
	close(fd);
}

/* What root binds is handed to the user that the server becomes. */
static void both_are_handed_over(void **state)
{
	(void)state;
	struct stat st;
	struct buf error = { 0 };
	if (geteuid() != 0)
		skip();
	close(ctl_listen(path, 65534, 65533, &error));
	assert_int_equal(stat(folder, &st), 0);
	assert_true(st.st_uid == 65534 && st.st_gid == 65533);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_uid == 65534 && st.st_gid == 65533 && (st.st_mode & 07777) == 0660);
}

static void a_folder_that_is_there_keeps_its_mode(void **state)
{
	(void)state;
	struct stat st;
	assert_int_equal(mkdir(folder, 0700), 0);
	close(listen_there());
	assert_int_equal(stat(folder, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void a_dead_servers_socket_is_replaced(void **state)
{
	(void)state;
	close(listen_there());
	assert_int_equal(access(path, F_OK), 0);
	close(listen_there());
}

static void a_live_server_keeps_its_socket(void **state)
{
	(void)state;
	int fd = listen_there();
	assert_fails(path, "another smtpguardd answers there");
	assert_int_equal(access(path, F_OK), 0);
	close(fd);
}

static void a_file_in_the_way_stays(void **state)
{
	(void)state;
	assert_int_equal(mkdir(folder, 0750), 0);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_fails(path, "not a socket is in the way");
	assert_int_equal(access(path, F_OK), 0);
}

/* A link is looked at itself: where it points must not be replaced. */
static void a_link_in_the_way_stays(void **state)
{
	(void)state;
	assert_int_equal(mkdir(folder, 0750), 0);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_fails(path, "not a socket is in the way");
}

static void two_at_once_cannot_both_win(void **state)
{
	(void)state;
	assert_int_equal(mkdir(folder, 0750), 0);
	int other = open(folder, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_fails(path, "another smtpguardd is being started");
	close(other);
	close(listen_there());
}

static void bad_paths_are_told(void **state)
{
	(void)state;
	char long_path[200];
	memset(long_path, 'a', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	assert_fails("", "1 to 107 bytes");
	assert_fails(long_path, "1 to 107 bytes");
	assert_fails("/nowhere/at/all/control", "No such file or directory");
	assert_fails("/dev/null/control", "Not a directory");
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(folder_and_socket_have_their_modes),
		IN_FOLDER(both_are_handed_over),
		IN_FOLDER(a_folder_that_is_there_keeps_its_mode),
		IN_FOLDER(a_dead_servers_socket_is_replaced),
		IN_FOLDER(a_live_server_keeps_its_socket),
		IN_FOLDER(a_file_in_the_way_stays),
		IN_FOLDER(a_link_in_the_way_stays),
		IN_FOLDER(two_at_once_cannot_both_win),
		cmocka_unit_test(bad_paths_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
