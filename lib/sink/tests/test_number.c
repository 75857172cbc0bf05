#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lj_test.h"
#include "number.h"

static uint64_t state = 88172645463325252ULL;

static uint64_t roll(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Whether the output equals printf's. */
static bool as_printf(double value)
{
	char own[NUMBER_BYTES + 1] = {0}, printed[64];

	snprintf(printed, sizeof(printed), "%.17g", value);
	own[number_write(own, value)] = '\0';
	if (strcmp(own, printed) == 0)
		return true;
	fprintf(stderr, "%s, not %s\n", own, printed);
	return false;
}

static void whole_numbers(void)
{
	for (double power = 1; power < 1e20; power *= 10)
		for (int i = -2; i <= 2; i++) {
			CU_ASSERT(as_printf(power + i));
			CU_ASSERT(as_printf(-(power + i)));
		}
	CU_ASSERT(as_printf(0.0));
	CU_ASSERT(as_printf(-0.0));
	CU_ASSERT(as_printf(9007199254740993.0));
	for (int i = 0; i < 200000; i++)
		CU_ASSERT(as_printf((double)(roll() >> (roll() % 64))));
}

static void every_small_number(void)
{
	uint32_t n;

	for (uint32_t i = 0; i < NUMBER_SMALL; i++) {
		CU_ASSERT(number_is_small(i, &n) && n == i);
		CU_ASSERT(as_printf(i));
	}
	CU_ASSERT_FALSE(number_is_small(NUMBER_SMALL, &n));
	CU_ASSERT_FALSE(number_is_small(-1, &n));
	CU_ASSERT_FALSE(number_is_small(-0.0, &n));
	CU_ASSERT_FALSE(number_is_small(0.5, &n));
	CU_ASSERT_FALSE(number_is_small(4294967296.0, &n));
	CU_ASSERT_FALSE(number_is_small(-1e300, &n));
	CU_ASSERT_FALSE(number_is_small((double)NAN, &n));
	CU_ASSERT_FALSE(number_is_small(INFINITY, &n));
}

static void identities_and_times(void)
{
	for (int i = 0; i < 100000; i++) {
		char own[NUMBER_BYTES + 1] = {0}, printed[64];
		uint64_t value = roll() >> (roll() % 64);

		snprintf(printed, sizeof(printed), "%llu", (unsigned long long)value);
		own[number_write_whole(own, value)] = '\0';
		CU_ASSERT_STRING_EQUAL(own, printed);
	}
}

static void around_powers_of_ten(void)
{
	for (int exponent = -30; exponent < 30; exponent++) {
		double value = pow(10, exponent), above = value, below = value;

		for (int i = 0; i < 100; i++) {
			CU_ASSERT(as_printf(above) && as_printf(below));
			above = nextafter(above, INFINITY);
			below = nextafter(below, 0);
		}
	}
}

/* Ties at the 17th digit: 2^-k has k digits after the point, and the last one is 5. */
static void ties_go_to_even(void)
{
	for (int k = 1; k < 60; k++)
		for (uint64_t odd = 1; odd < 2000; odd += 2)
			CU_ASSERT(as_printf(ldexp((double)odd, -k)));
}

static void fractions_as_features_have(void)
{
	for (int i = 0; i < 500000; i++) {
		double a = (double)(roll() >> (20 + roll() % 40)), b = (double)(roll() % 5000 + 1);

		CU_ASSERT(as_printf(a / b));
		CU_ASSERT(as_printf(sqrt(a)));
		CU_ASSERT(as_printf((float)(a / b)));
	}
}

static void any_double(void)
{
	for (int i = 0; i < 500000; i++) {
		uint64_t bits = roll();
		double value;

		memcpy(&value, &bits, sizeof(value));
		CU_ASSERT(as_printf(value));
	}
	CU_ASSERT(as_printf(INFINITY));
	CU_ASSERT(as_printf(-INFINITY));
	CU_ASSERT(as_printf((double)NAN));
	CU_ASSERT(as_printf(5e-324));
	CU_ASSERT(as_printf(-1.7976931348623157e308));
}

static bool short_as_printf(double value)
{
	char own[NUMBER_BYTES + 1] = {0}, printed[64];

	snprintf(printed, sizeof(printed), "%.6g", value);
	own[number_write_short(own, value)] = '\0';
	if (strcmp(own, printed) == 0)
		return true;
	fprintf(stderr, "%s, not %s\n", own, printed);
	return false;
}

static void scores_and_contributions(void)
{
	for (int i = 0; i < 500000; i++) {
		float score = (float)(roll() >> 40) / (float)(1 << 24);

		CU_ASSERT(short_as_printf(score));
		CU_ASSERT(short_as_printf((double)(float)(roll() >> 40) /
					  (double)(1 + roll() % 100000)));
		CU_ASSERT(short_as_printf(-(double)score));
	}
	for (int exponent = -8; exponent < 12; exponent++) {
		double value = pow(10, exponent), above = value, below = value;

		for (int i = 0; i < 1000; i++) {
			CU_ASSERT(short_as_printf(above) && short_as_printf(below));
			above = nextafterf((float)above, INFINITY);
			below = nextafterf((float)below, 0);
		}
	}
	/* Ties at the sixth digit. */
	for (uint32_t i = 1; i < 400000; i++)
		CU_ASSERT(short_as_printf(ldexp(i, -(int)(1 + i % 14))));
	CU_ASSERT(short_as_printf(99999.96));
	CU_ASSERT(short_as_printf(0.99999996));
	CU_ASSERT(short_as_printf(0.09999999));
	CU_ASSERT(short_as_printf(9.9999999e-5));
	CU_ASSERT(short_as_printf(-0.0));
	CU_ASSERT(short_as_printf(1234567));
	CU_ASSERT(short_as_printf(INFINITY));
}

static void eight_digits_with_zeros(void)
{
	for (int i = 0; i < 100000; i++) {
		uint32_t value = (uint32_t)(roll() % 100000000) >> (roll() % 27);
		char own[9] = {0}, printed[9];

		snprintf(printed, sizeof(printed), "%08u", value);
		number_write_eight(own, value);
		CU_ASSERT_STRING_EQUAL(own, printed);
	}
}

static const struct lj_test tests[] = {
	{"whole numbers are as printf has them", whole_numbers},
	{"so is every small one, and nothing else is small", every_small_number},
	{"so are integers of 64 bits", identities_and_times},
	{"so is what lies around powers of ten", around_powers_of_ten},
	{"a tie goes to the even digit", ties_go_to_even},
	{"quotients and roots are as printf has them", fractions_as_features_have},
	{"so is any double", any_double},
	{"short ones are as %.6g has them", scores_and_contributions},
	{"eight digits keep their zeros", eight_digits_with_zeros},
};

int main(void)
{
	return lj_test_run("number", tests, RTE_DIM(tests));
}
