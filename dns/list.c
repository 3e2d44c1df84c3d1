#include "dns/list.h"

static bool starts_with(const struct ip *ip, unsigned n, const uint8_t *bytes)
{
	return ip_is_v4(ip) && memcmp(ip->b + 12, bytes, n) == 0;
}

static bool is_refusal(const struct ip *ip)
{
	static const uint8_t refusal[] = { 127, 255, 255 };
	return starts_with(ip, sizeof refusal, refusal);
}

static bool is_error(const struct ip *ip)
{
	static const uint8_t loopback[] = { 127 };
	return !starts_with(ip, sizeof loopback, loopback) || is_refusal(ip);
}

static bool counts(const struct ip *ip, const struct dns_list_range *ranges, size_t n)
{
	static const uint8_t usual[] = { 127, 0, 0 };
	if (n == 0)
		return starts_with(ip, sizeof usual, usual);
	for (size_t i = 0; i < n; i++)
		if (memcmp(ip->b, ranges[i].first.b, sizeof ip->b) >= 0 &&
			memcmp(ip->b, ranges[i].last.b, sizeof ip->b) <= 0)
			return true;
	return false;
}

enum dns_known dns_list_read(const struct dns_answer *a, const struct dns_list_range *ranges, size_t n, struct ip *ip_r)
{
	struct dns_record record;
	size_t at = 0;
	bool found = false;
	if (a->status == DNS_FAILED)
		return DNS_UNKNOWN;
	while (dns_answer_next(a, DNS_A, &at, &record)) {
		if (is_error(&record.ip))
			return DNS_UNKNOWN;
		if (!found && counts(&record.ip, ranges, n)) {
			*ip_r = record.ip;
			found = true;
		}
	}
	return found ? DNS_SOME : DNS_NONE;
}

enum dns_known dns_list_read_decoy(const struct dns_answer *a)
{
	struct dns_record record;
	size_t at = 0;
	bool found = false;
	if (a->status == DNS_FAILED)
		return DNS_UNKNOWN;
	while (dns_answer_next(a, DNS_A, &at, &record)) {
		if (is_refusal(&record.ip))
			return DNS_UNKNOWN;
		found = true;
	}
	return found ? DNS_SOME : DNS_NONE;
}
