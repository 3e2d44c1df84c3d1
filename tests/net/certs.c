#include "tests/net/certs.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool add_name(X509 *x, const char *host)
{
	char san[64];
	X509V3_CTX ctx;
	X509_NAME *subject = X509_get_subject_name(x);
	(void)snprintf(san, sizeof san, "DNS:%s", host);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, san);
	bool ok = e && X509_add_ext(x, e, -1) == 1 &&
		  X509_NAME_add_entry_by_txt(
			  subject, "CN", MBSTRING_ASC, (const unsigned char *)host, -1, -1, 0) == 1;
	X509_EXTENSION_free(e);
	return ok && X509_set_issuer_name(x, subject) == 1;
}

static X509 *self_signed(EVP_PKEY *key, const char *host)
{
	X509 *x = X509_new();
	if (x && X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
		X509_gmtime_adj(X509_getm_notBefore(x), -3600) && X509_gmtime_adj(X509_getm_notAfter(x), 3600) &&
		X509_set_pubkey(x, key) == 1 && add_name(x, host) && X509_sign(x, key, EVP_sha256()) > 0)
		return x;
	X509_free(x);
	return NULL;
}

static bool write_pem(const char *path, X509 *x, EVP_PKEY *key)
{
	FILE *f = fopen(path, "we");
	bool ok = f && (x ? PEM_write_X509(f, x) : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL)) == 1;
	return f && fclose(f) == 0 && ok;
}

static bool make_one(struct certs *c, const char *folder, int which, const char *host)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = key ? self_signed(key, host) : NULL;
	(void)snprintf(c->of[which].cert, CERTS_PATH, "%s/%s.pem", folder, host);
	(void)snprintf(c->of[which].key, CERTS_PATH, "%s/%s.key", folder, host);
	bool ok = x && write_pem(c->of[which].cert, x, NULL) && write_pem(c->of[which].key, NULL, key);
	X509_free(x);
	EVP_PKEY_free(key);
	return ok;
}

static bool make_garbage(struct certs *c, const char *folder)
{
	(void)snprintf(c->missing, CERTS_PATH, "%s/missing.pem", folder);
	(void)snprintf(c->garbage, CERTS_PATH, "%s/garbage.pem", folder);
	FILE *f = fopen(c->garbage, "we");
	return f && fputs("no certificate at all\n", f) >= 0 && fclose(f) == 0;
}

bool certs_make(struct certs *c)
{
	char folder[] = "/tmp/certs-test-XXXXXX";
	if (!mkdtemp(folder))
		return false;
	memcpy(c->folder, folder, sizeof folder);
	return make_one(c, folder, 0, "one.test") && make_one(c, folder, 1, "two.test") && make_garbage(c, folder);
}

void certs_remove(const struct certs *c)
{
	for (int i = 0; i < 2; i++) {
		(void)unlink(c->of[i].cert);
		(void)unlink(c->of[i].key);
	}
	(void)unlink(c->garbage);
	(void)rmdir(c->folder);
}
