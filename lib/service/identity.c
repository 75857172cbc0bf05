#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lj_service.h"

static int find_group(const char *name, const char *where, gid_t *gid, struct lj_error *err)
{
	const struct group *group = getgrnam(name);

	if (group == NULL)
		return lj_error_set(err, ENOENT, where, "no such group: %s", name);
	*gid = group->gr_gid;
	return 0;
}

int lj_service_identity(const char *user, const char *group, struct lj_identity *identity,
			struct lj_error *err)
{
	const struct passwd *entry;
	int ret;

	*identity = (struct lj_identity){false, geteuid(), getegid()};
	if (user[0] == '\0' && group[0] == '\0')
		return 0;
	if (user[0] == '\0')
		return lj_error_set(err, EINVAL, "service.group", "needs service.user");
	entry = getpwnam(user);
	if (entry == NULL)
		return lj_error_set(err, ENOENT, "service.user", "no such user: %s", user);
	*identity = (struct lj_identity){true, entry->pw_uid, entry->pw_gid};
	if (group[0] != '\0') {
		ret = find_group(group, "service.group", &identity->gid, err);
		if (ret != 0)
			return ret;
	}
	if (geteuid() != 0 && (geteuid() != identity->uid || getegid() != identity->gid))
		return lj_error_set(err, EPERM, "service.user",
				    "only root can become %s; this process is user %u", user,
				    (unsigned int)geteuid());
	identity->change = geteuid() == 0;
	return 0;
}

int lj_service_share(const char *path, const struct lj_identity *identity, const char *group,
		     mode_t mode, struct lj_error *err)
{
	uid_t uid = identity->change ? identity->uid : (uid_t)-1;
	gid_t gid = identity->change ? identity->gid : (gid_t)-1;
	char folder[PATH_MAX];
	mode_t search;

	if (group[0] != '\0' && find_group(group, "telemetry.group", &gid, err) != 0)
		return -ENOENT;
	snprintf(folder, sizeof(folder), "%s", path);
	dirname(folder);
	/* Whoever may write to the socket must be able to search its directory. */
	search = 0700 | ((mode & 0020) ? 0050 : 0) | ((mode & 0002) ? 0005 : 0);
	if (chown(path, uid, gid) != 0 || chmod(path, mode) != 0)
		return lj_error_set(err, errno, path, "cannot be shared: %s", strerror(errno));
	if (chown(folder, uid, gid) != 0 || chmod(folder, search) != 0)
		return lj_error_set(err, errno, folder, "cannot be shared: %s", strerror(errno));
	return 0;
}
