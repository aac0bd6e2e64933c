/*
 * Copyright (c) 2026 Consent Gate contributors
 * SPDX-License-Identifier: BSD-2-Clause
 */

/*
 * TC strings of every shape, by the reference library of the framework: one
 * line of JSON each, with what that library reads out of them.
 *
 *   node vectors.js SEED COUNT      many, by chance
 *   node vectors.js one JSON        one: { consents, vendors, publisher,
 *                                   restrictions, disclosed, segments, days,
 *                                   policy }
 */

'use strict';

const { GVL, PurposeRestriction, RestrictionType, Segment, TCModel, TCString }
    = require('@iabtcf/core');

const DAY = 86400000;


/* Reproducible, and good enough to choose shapes with (xorshift32). */

function random(seed) {
    let x = (seed >>> 0) || 1;

    const next = () => {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        x >>>= 0;
        return x / 4294967296;
    };

    return {
        below: (n) => Math.floor(next() * n),
        chance: (p) => next() < p,
    };
}


function list(vendorIds, policy) {
    const vendors = {};

    for (const id of vendorIds) {
        vendors[id] = {
            id, name: `Vendor ${id}`,
            purposes: [1, 3, 4, 7], legIntPurposes: [2, 9, 10],
            flexiblePurposes: [2, 3, 4, 7, 9, 10], specialPurposes: [1],
            features: [], specialFeatures: [1], policyUrl: 'https://example/',
            cookieMaxAgeSeconds: 1, usesCookies: true, cookieRefresh: false,
            usesNonCookieAccess: false,
        };
    }

    const named = (n) => Object.fromEntries(Array.from({ length: n },
        (_, i) => [i + 1, { id: i + 1, name: '', description: '',
            illustrations: [] }]));

    return new GVL({
        gvlSpecificationVersion: 3, vendorListVersion: 177,
        tcfPolicyVersion: policy, lastUpdated: '2026-01-01T16:00:00Z',
        purposes: named(11), specialPurposes: named(3), features: named(3),
        specialFeatures: named(2), stacks: {}, dataCategories: {}, vendors,
    });
}


function model(gvl, updated) {
    const m = new TCModel(gvl);

    m.isServiceSpecific = true;
    m.created = m.lastUpdated = updated;
    m.cmpId = 31;
    m.cmpVersion = 7;

    return m;
}


const set = (vector) => {
    const ids = [];

    vector.forEach((value, id) => {
        if (value) {
            ids.push(id);
        }
    });

    return ids;
};


/* What the library reads, in the words of decode.c. */

function reading(text, ids) {
    const m = TCString.decode(text);
    const segments = text.split('.').slice(1)
        .map((s) => Buffer.from(s, 'base64')[0] >> 5);

    const barred = (id) => m.publisherRestrictions.getRestrictions(id)
        .filter((r) => r.restrictionType !== RestrictionType.REQUIRE_CONSENT)
        .map((r) => r.purposeId).sort((a, b) => a - b);

    return {
        created: Math.floor(m.created / 1000),
        updated: Math.floor(m.lastUpdated / 1000),
        cmp: m.cmpId, cmp_version: m.cmpVersion, screen: m.consentScreen,
        language: m.consentLanguage, list_version: m.vendorListVersion,
        policy: m.policyVersion, other_texts: m.useNonStandardStacks,
        no_purpose_one: m.purposeOneTreatment,
        publisher_country: m.publisherCountryCode,
        features: set(m.specialFeatureOptins),
        consents: set(m.purposeConsents),
        interests: set(m.purposeLegitimateInterests),
        segments: segments.sort(),
        publisher_consents: set(m.publisherConsents),
        publisher_interests: set(m.publisherLegitimateInterests),
        custom_consents: set(m.publisherCustomConsents),
        custom_interests: set(m.publisherCustomLegitimateInterests),
        vendors: ids.map((id) => ({
            id, consent: m.vendorConsents.has(id),
            interest: m.vendorLegitimateInterests.has(id),
            disclosed: m.vendorsDisclosed.has(id),
            barred: barred(id),
        })),
    };
}


function some(r, max, p) {
    const ids = [];

    for (let i = 1; i <= max; i++) {
        if (r.chance(p)) {
            ids.push(i);
        }
    }

    return ids;
}


/* Alone, in runs, or everywhere: bit fields and ranges both come out. */

function vendorIds(r) {
    const max = [1, 2, 17, 300, 1500, 65535][r.below(6)];
    const ids = new Set([1 + r.below(max), max]);

    for (let n = r.below(8); n > 0; n--) {
        const first = 1 + r.below(max);
        const last = Math.min(max, first + r.below(60));

        for (let id = first; id <= last; id++) {
            ids.add(id);
        }
    }

    if (max <= 1500 && r.chance(0.4)) {
        some(r, max, 0.5).forEach((id) => ids.add(id));
    }

    return [...ids].sort((a, b) => a - b);
}


function chosen(r) {
    const ids = vendorIds(r);
    const days = r.below(900) - 500;
    const m = model(list(ids, r.chance(0.5) ? 4 : 5),
        new Date((Math.floor(Date.UTC(2026, 2, 1) / DAY) + days) * DAY));
    const segments = [Segment.CORE];

    m.consentScreen = r.below(64);
    m.useNonStandardStacks = r.chance(0.5);
    m.purposeOneTreatment = r.chance(0.2);
    m.publisherCountryCode = ['AA', 'DE', 'ZZ'][r.below(3)];
    m.specialFeatureOptins.set(some(r, 12, 0.4));
    m.purposeConsents.set(some(r, 24, 0.5));
    m.purposeLegitimateInterests.set(some(r, 24, 0.5));
    m.vendorConsents.set(ids.filter(() => r.chance(0.8)));
    m.vendorLegitimateInterests.set(ids.filter(() => r.chance(0.5)));

    for (let n = r.below(5); n > 0; n--) {
        const to = [[3, RestrictionType.NOT_ALLOWED],
            [4, RestrictionType.REQUIRE_LI], [2, RestrictionType.NOT_ALLOWED],
            [9, RestrictionType.REQUIRE_CONSENT]][r.below(4)];

        ids.slice(0, 1 + r.below(20)).forEach((id) => {
            m.publisherRestrictions.add(id, new PurposeRestriction(...to));
        });
    }

    if (days >= 0 || r.chance(0.3)) {
        segments.push(Segment.VENDORS_DISCLOSED);
    }

    if (r.chance(0.5)) {
        segments.push(Segment.PUBLISHER_TC);
        m.publisherConsents.set(some(r, 24, 0.5));
        m.publisherLegitimateInterests.set(some(r, 24, 0.5));
        m.numCustomPurposes = r.below(64);
        m.publisherCustomConsents.set(some(r, m.numCustomPurposes, 0.5));
        m.publisherCustomLegitimateInterests.set(
            some(r, m.numCustomPurposes, 0.5));
    }

    return { text: TCString.encode(m, { segments }), ids };
}


function many(seed, count) {
    const r = random(seed);

    for (let n = 0; n < count; n++) {
        const { text, ids } = chosen(r);
        const asked = [...new Set([ids[0], ids[ids.length - 1],
            ids[r.below(ids.length)], 1 + r.below(65535), 1, 65535])];

        console.log(JSON.stringify({ text, asked,
            expect: reading(text, asked) }));
    }
}


function one(wish) {
    const vendors = wish.vendors || [];
    const known = wish.disclosed || vendors;
    const gvl = list([...new Set([...known, ...vendors])], wish.policy || 5);
    const m = model(gvl,
        new Date((Math.floor(Date.now() / DAY) + (wish.days || 0)) * DAY));

    m.isServiceSpecific = !wish.global;
    m.purposeConsents.set(wish.consents || []);
    m.vendorConsents.set(vendors);

    for (const [id, purpose, type] of wish.restrictions || []) {
        m.publisherRestrictions.add(id, new PurposeRestriction(purpose, type));
    }

    m.publisherConsents.set(wish.publisher || []);

    return TCString.encode(m, { segments: (wish.segments
        || ['core', 'vendorsDisclosed', 'publisherTC']) });
}


if (process.argv[2] === 'one') {
    for (const wish of JSON.parse(process.argv[3])) {
        console.log(one(wish));
    }
} else {
    many(Number(process.argv[2]), Number(process.argv[3]));
}
