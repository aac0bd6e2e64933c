/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define _POSIX_C_SOURCE  200809L

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cg_geo.h"
#include "cg_tree.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static char  dir[256];      /* of the databases */
static bool  ours;          /* to be removed */


static const char *
path_of(const char *name)
{
    static char  path[512];

    snprintf(path, sizeof(path), "%s/%s", dir, name);

    return path;
}


static cg_geo_t *
open_db(const char *name)
{
    char       err[CG_GEO_ERROR];
    cg_geo_t  *geo;

    geo = cg_geo_open(path_of(name), err);

    if (geo == NULL) {
        fail_msg("%s", err);
    }

    return geo;
}


static const struct sockaddr *
sockaddr_of(const char *address)
{
    static struct sockaddr_in   sin;
    static struct sockaddr_in6  sin6;

    memset(&sin, 0, sizeof(sin));
    memset(&sin6, 0, sizeof(sin6));

    if (strchr(address, ':') != NULL) {
        sin6.sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, address, &sin6.sin6_addr), 1);
        return (struct sockaddr *) &sin6;
    }

    sin.sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, address, &sin.sin_addr), 1);

    return (struct sockaddr *) &sin;
}


/* The code of an address: "" when it is unknown. */

static const char *
country(cg_geo_t *geo, const char *address)
{
    size_t       len;
    static char  code[3];

    len = cg_country_code(cg_geo_country(geo, sockaddr_of(address)),
                          (uint8_t *) code);
    code[len] = '\0';

    return code;
}


static cg_anonymizer_e
anonymizer(cg_geo_t *geo, const char *address)
{
    return cg_geo_anonymizer(geo, sockaddr_of(address));
}


static void
test_a_nested_database(void **state)
{
    cg_geo_t  *geo;

    (void) state;

    geo = open_db("nested.mmdb");

    assert_string_equal(cg_geo_field(geo), "country.iso_code");
    assert_string_equal(cg_geo_type(geo), "Test-nested");
    assert_true(cg_geo_epoch(geo) > 1500000000);

    /* twice: the second time it is remembered */

    for (int i = 0; i < 2; i++) {
        assert_string_equal(country(geo, "192.0.2.0"), "DE");
        assert_string_equal(country(geo, "192.0.2.255"), "DE");
        assert_string_equal(country(geo, "198.51.100.127"), "IS");
        assert_string_equal(country(geo, "198.51.100.128"), "US");
        assert_string_equal(country(geo, "203.0.113.7"), "GB");
        assert_string_equal(country(geo, "203.0.113.6"), "");
        assert_string_equal(country(geo, "192.0.3.0"), "");
        assert_string_equal(country(geo, "0.0.0.0"), "");
        assert_string_equal(country(geo, "255.255.255.255"), "");
        assert_string_equal(country(geo, "2001:db8:1::1"), "FR");
        assert_string_equal(country(geo, "2001:db8:2::1"), "A1");
        assert_string_equal(country(geo, "2001:db8:4::1"), "");
        assert_string_equal(country(geo, "::1"), "");
    }

    cg_geo_close(geo);
}


static void
test_a_continent_without_a_country_is_unknown(void **state)
{
    cg_geo_t  *geo;

    (void) state;

    geo = open_db("nested.mmdb");
    assert_string_equal(country(geo, "1.2.3.4"), "");
    assert_string_equal(country(geo, "2001:db8:3::1"), "");
    cg_geo_close(geo);
}


static void
test_a_mapped_address_is_the_ipv4_address(void **state)
{
    cg_geo_t  *geo;

    (void) state;

    geo = open_db("nested.mmdb");
    assert_string_equal(country(geo, "::ffff:192.0.2.1"), "DE");
    assert_string_equal(country(geo, "::ffff:198.51.100.200"), "US");
    assert_string_equal(country(geo, "::ffff:192.0.3.1"), "");
    cg_geo_close(geo);

    geo = open_db("ipv4.mmdb");
    assert_string_equal(country(geo, "::ffff:192.0.2.1"), "DE");
    cg_geo_close(geo);
}


static void
test_an_ipv4_database_knows_no_ipv6(void **state)
{
    cg_geo_t  *geo;

    (void) state;

    geo = open_db("ipv4.mmdb");
    assert_string_equal(country(geo, "192.0.2.1"), "DE");
    assert_string_equal(country(geo, "198.51.100.1"), "US");
    assert_string_equal(country(geo, "2001:db8:1::1"), "");
    assert_string_equal(country(geo, "c000:0201::"), "");
    cg_geo_close(geo);
}


static void
test_other_families_are_unknown(void **state)
{
    cg_geo_t            *geo;
    struct sockaddr_un   sun;

    (void) state;

    memset(&sun, 0, sizeof(sun));
    sun.sun_family = AF_UNIX;

    geo = open_db("nested.mmdb");
    assert_int_equal(cg_geo_country(geo, (struct sockaddr *) &sun),
                     CG_CC_UNKNOWN);
    cg_geo_close(geo);
}


/* By the last byte of the address; 8 has no record. */

static void
test_kinds_of_anonymizers(void **state)
{
    static const struct {
        const char       *name;
        const char       *field;
        cg_anonymizer_e   kinds[9];
    } cases[] = {
        { "flags.mmdb", "is_anonymous",
          { CG_ANONYMIZER_NONE, CG_ANONYMIZER_ANONYMOUS, CG_ANONYMIZER_HOSTING,
            CG_ANONYMIZER_NONE, CG_ANONYMIZER_PROXY,
            CG_ANONYMIZER_RESIDENTIAL_PROXY, CG_ANONYMIZER_VPN,
            CG_ANONYMIZER_TOR, CG_ANONYMIZER_NONE } },
        { "privacy-boolean.mmdb", "vpn",
          { CG_ANONYMIZER_NONE, CG_ANONYMIZER_NONE, CG_ANONYMIZER_HOSTING,
            CG_ANONYMIZER_RELAY, CG_ANONYMIZER_PROXY, CG_ANONYMIZER_NONE,
            CG_ANONYMIZER_VPN, CG_ANONYMIZER_TOR, CG_ANONYMIZER_NONE } },
        { "privacy-utf8_string.mmdb", "vpn",
          { CG_ANONYMIZER_NONE, CG_ANONYMIZER_NONE, CG_ANONYMIZER_HOSTING,
            CG_ANONYMIZER_RELAY, CG_ANONYMIZER_PROXY, CG_ANONYMIZER_NONE,
            CG_ANONYMIZER_VPN, CG_ANONYMIZER_TOR, CG_ANONYMIZER_NONE } }
    };
    char       err[CG_GEO_ERROR], address[32];
    cg_geo_t  *geo;

    (void) state;

    for (size_t i = 0; i < N(cases); i++) {
        geo = cg_geo_open_anonymizers(path_of(cases[i].name), err);
        assert_non_null(geo);
        assert_string_equal(cg_geo_field(geo), cases[i].field);

        for (int n = 0; n < 9; n++) {
            snprintf(address, sizeof(address), "192.0.2.%d", n);
            assert_int_equal(anonymizer(geo, address), cases[i].kinds[n]);
        }

        assert_int_equal(anonymizer(geo, "2001:db8:1::1"), CG_ANONYMIZER_TOR);
        assert_int_equal(anonymizer(geo, "2001:db8:2::1"), CG_ANONYMIZER_NONE);
        cg_geo_close(geo);
    }
}


static void
test_a_database_without_anonymizers_is_refused(void **state)
{
    static const char *const  names[] = {
        "nested.mmdb", "asn.mmdb", "continent.mmdb", "opinions.mmdb",
        "numbers.mmdb"
    };
    char  err[CG_GEO_ERROR];

    (void) state;

    for (size_t i = 0; i < N(names); i++) {
        assert_null(cg_geo_open_anonymizers(path_of(names[i]), err));
        assert_non_null(strstr(err, path_of(names[i])));
        assert_non_null(strstr(err, "has no anonymizers: looked for "
                                    "\"is_anonymous\""));
        assert_non_null(strstr(err, "\"vpn\" and \"tor\""));
    }
}


static void
test_the_field_is_found(void **state)
{
    static const struct {
        const char  *name;
        const char  *field;
        const char  *ipv6;
    } cases[] = {
        { "nested.mmdb", "country.iso_code", "FR" },
        { "record28.mmdb", "country.iso_code", "FR" },
        { "record32.mmdb", "country.iso_code", "FR" },
        { "code.mmdb", "country_code", "FR" },
        { "string.mmdb", "country", "FR" },
        { "lower.mmdb", "country.iso_code", "" },
        { "sparse.mmdb", "country.iso_code", "" }
    };
    cg_geo_t  *geo;

    (void) state;

    for (size_t i = 0; i < N(cases); i++) {
        geo = open_db(cases[i].name);
        assert_string_equal(cg_geo_field(geo), cases[i].field);
        assert_string_equal(country(geo, "192.0.2.1"), "DE");
        assert_string_equal(country(geo, "2001:db8:1::1"), cases[i].ipv6);
        cg_geo_close(geo);
    }
}


/* The library and the shortcut, at the ends of every network of the tree. */

static size_t
compare_lookups(const char *name)
{
    int                   rc;
    size_t                found;
    uint32_t              address, last;
    cg_tree_t            *tree;
    MMDB_s                mmdb;
    MMDB_entry_s          entry;
    struct sockaddr_in    sin;
    MMDB_lookup_result_s  result;

    tree = malloc(sizeof(cg_tree_t));
    assert_non_null(tree);
    assert_int_equal(MMDB_open(path_of(name), MMDB_MODE_MMAP, &mmdb), 0);
    cg_tree_init(tree, &mmdb);

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;

    found = 0;
    address = 0;

    do {
        sin.sin_addr.s_addr = htonl(address);
        result = MMDB_lookup_sockaddr(&mmdb, (struct sockaddr *) &sin, &rc);
        assert_int_equal(rc, MMDB_SUCCESS);

        last = address;
        address |= (uint32_t) ((UINT64_C(1) << ((mmdb.metadata.ip_version == 6
                                                 ? 128 : 32)
                                                - result.netmask)) - 1);

        for (int end = 0; end < 2; end++) {
            assert_int_equal(cg_tree_find(tree, end ? address : last, &entry),
                             result.found_entry);
            assert_true(!result.found_entry
                        || entry.offset == result.entry.offset);
        }

        found += result.found_entry;

    } while (address++ != UINT32_MAX);

    MMDB_close(&mmdb);
    free(tree);

    return found;
}


static void
test_the_shortcut_finds_what_the_library_finds(void **state)
{
    static const char  *names[] = {
        "nested.mmdb", "scattered24.mmdb", "scattered28.mmdb",
        "scattered32.mmdb", "flat24.mmdb", "flat28.mmdb", "flat32.mmdb"
    };

    (void) state;

    for (size_t i = 0; i < N(names); i++) {
        assert_true(compare_lookups(names[i]) >= 5);
    }
}


static void
test_more_records_than_are_remembered(void **state)
{
    char       address[32];
    cg_geo_t  *geo;

    (void) state;

    geo = open_db("many.mmdb");

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i <= 5000; i++) {
            snprintf(address, sizeof(address), "10.%d.%d.1", i / 256,
                     i % 256);
            assert_string_equal(country(geo, address), i % 2 ? "DE" : "US");
        }
    }

    cg_geo_close(geo);
}


/* The message names the file and says what is wrong with it. */

static void
expect_refused(const char *name, const char *why)
{
    char       err[CG_GEO_ERROR];
    cg_geo_t  *geo;

    err[0] = '\0';
    geo = cg_geo_open(path_of(name), err);

    if (geo != NULL) {
        cg_geo_close(geo);
        fail_msg("%s is taken", name);
    }

    if (strstr(err, path_of(name)) == NULL || strstr(err, why) == NULL) {
        fail_msg("%s: %s", name, err);
    }
}


static void
test_a_database_without_countries_is_refused(void **state)
{
    static const char *const  names[] = {
        "continent.mmdb", "asn.mmdb", "anonymous.mmdb", "name.mmdb",
        "number.mmdb"
    };

    (void) state;

    for (size_t i = 0; i < N(names); i++) {
        expect_refused(names[i], "\"country.iso_code\", \"country_code\" "
                                 "and \"country\"");
    }
}


static void
test_what_is_no_whole_database_is_refused(void **state)
{
    (void) state;

    expect_refused("truncated.mmdb", "not a whole MMDB file");
    expect_refused("headless.mmdb", "not a whole MMDB file");
    expect_refused("gap.mmdb", "not a whole MMDB file");
    expect_refused("marker.mmdb", "not a whole MMDB file");
    expect_refused("text.mmdb", "not a whole MMDB file");
    expect_refused("wild.mmdb", "is damaged");
    expect_refused("between.mmdb", "is damaged");
    expect_refused("zero.mmdb", "the file is empty");
    expect_refused("none.mmdb", "No such file");
    expect_refused("", "not a regular file");
}


/* To open one would wait for a writer. */

static void
test_a_fifo_is_refused(void **state)
{
    (void) state;

    assert_int_equal(mkfifo(path_of("fifo.mmdb"), 0600), 0);
    expect_refused("fifo.mmdb", "not a regular file");
    assert_int_equal(unlink(path_of("fifo.mmdb")), 0);
}


static void
test_a_long_path_does_not_overrun_the_message(void **state)
{
    char  path[2000], err[CG_GEO_ERROR + 1];

    (void) state;

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    err[CG_GEO_ERROR] = '#';

    assert_null(cg_geo_open(path, err));
    assert_int_equal(err[CG_GEO_ERROR], '#');
    assert_int_equal(strlen(err), CG_GEO_ERROR - 1);
}


static void
copy(const char *from, const char *to)
{
    char    buf[512], tmp[512];
    FILE   *in, *out;
    size_t  n;

    snprintf(tmp, sizeof(tmp), "%s/tmp", dir);
    in = fopen(path_of(from), "rb");
    out = fopen(tmp, "wb");
    assert_true(in != NULL && out != NULL);

    while ((n = fread(buf, 1, sizeof(buf), in)) > 0) {
        assert_int_equal(fwrite(buf, 1, n, out), n);
    }

    fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(tmp, path_of(to)), 0);
}


static void
test_a_replaced_file_is_noticed(void **state)
{
    cg_geo_t         *geo;
    struct timespec   times[2];

    (void) state;

    copy("nested.mmdb", "live.mmdb");
    geo = open_db("live.mmdb");
    assert_false(cg_geo_changed(geo));

    copy("nested.mmdb", "live.mmdb");
    assert_true(cg_geo_changed(geo));

    /* the old one is still read */
    assert_string_equal(country(geo, "192.0.2.1"), "DE");
    cg_geo_close(geo);

    geo = open_db("live.mmdb");
    assert_false(cg_geo_changed(geo));

    times[0] = (struct timespec) { 1000000000, 0 };
    times[1] = (struct timespec) { 1000000000, 1 };
    assert_int_equal(utimensat(AT_FDCWD, path_of("live.mmdb"), times, 0), 0);
    assert_true(cg_geo_changed(geo));

    /* what is gone for a moment is about to come back */
    assert_int_equal(unlink(path_of("live.mmdb")), 0);
    assert_false(cg_geo_changed(geo));
    assert_string_equal(country(geo, "198.51.100.200"), "US");
    cg_geo_close(geo);
}


/* The directory of this source, where mkdb.pl lies. */

static void
script_path(char *script, size_t size)
{
    const char  *slash = strrchr(__FILE__, '/');

    snprintf(script, size, "%.*smkdb.pl",
             slash != NULL ? (int) (slash - __FILE__) + 1 : 0, __FILE__);
}


static int
make_databases(void **state)
{
    char         command[1024], script[512];
    const char  *tmp = getenv("CG_TEST_TMP");

    (void) state;

    if (tmp != NULL) {
        snprintf(dir, sizeof(dir), "%s", tmp);

    } else {
        snprintf(dir, sizeof(dir), "/tmp/cg_test_geo.XXXXXX");
        ours = true;

        if (mkdtemp(dir) == NULL) {
            return -1;
        }
    }

    script_path(script, sizeof(script));
    snprintf(command, sizeof(command), "perl '%s' '%s'", script, dir);

    return system(command);
}


static int
remove_databases(void **state)
{
    char  command[512];

    (void) state;

    if (!ours) {
        return 0;
    }

    snprintf(command, sizeof(command), "rm -r '%s'", dir);

    return system(command);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_a_nested_database),
        cmocka_unit_test(test_a_continent_without_a_country_is_unknown),
        cmocka_unit_test(test_a_mapped_address_is_the_ipv4_address),
        cmocka_unit_test(test_an_ipv4_database_knows_no_ipv6),
        cmocka_unit_test(test_other_families_are_unknown),
        cmocka_unit_test(test_kinds_of_anonymizers),
        cmocka_unit_test(test_a_database_without_anonymizers_is_refused),
        cmocka_unit_test(test_the_field_is_found),
        cmocka_unit_test(test_the_shortcut_finds_what_the_library_finds),
        cmocka_unit_test(test_more_records_than_are_remembered),
        cmocka_unit_test(test_a_database_without_countries_is_refused),
        cmocka_unit_test(test_what_is_no_whole_database_is_refused),
        cmocka_unit_test(test_a_fifo_is_refused),
        cmocka_unit_test(test_a_long_path_does_not_overrun_the_message),
        cmocka_unit_test(test_a_replaced_file_is_noticed)
    };

    return cmocka_run_group_tests_name("geo", tests, make_databases,
                                       remove_databases);
}
