#!/usr/bin/perl

# Copyright (c) 2026 Consent Gate contributors
# SPDX-License-Identifier: BSD-2-Clause

# Writes the country databases of test_geo.c into a directory:
#
#     mkdb.pl DIR

use warnings;
use strict;

use MaxMind::DB::Writer::Tree;

my $dir = shift or die "usage: mkdb.pl DIR\n";

my %types = (
	autonomous_system_number => 'uint32',
	geoname_id => 'uint32',
	(map { $_ => 'boolean' } qw/is_anonymous is_anonymous_vpn
		is_hosting_provider is_public_proxy is_residential_proxy
		is_tor_exit_node/),
	is_in_european_union => 'boolean',
	map { $_ => 'map' } qw/continent country names registered_country/,
);


# The shape of GeoLite2: the country lies behind a continent with its names.

sub geolite {
	my ($code) = @_;

	return {
		continent => {
			code => 'XY',
			geoname_id => 1,
			names => { map { $_ => "a continent ($_)" }
				qw/de en es fr ja pt-BR ru zh-CN/ },
		},
		registered_country => { iso_code => 'US', geoname_id => 2 },
		defined $code ? (country => {
			iso_code => $code,
			geoname_id => 3,
			names => { en => "a country ($code)" },
		}) : (),
	};
}


sub write_db {
	my ($name, $networks, %opts) = @_;

	my $flat = delete $opts{country};
	my $flags = delete $opts{flags};
	my $tree = MaxMind::DB::Writer::Tree->new(
		ip_version => 6,
		record_size => 24,
		database_type => "Test-$name",
		languages => ['en'],
		description => { en => 'made by a test' },
		remove_reserved_networks => 0,
		map_key_type_callback => sub {
			return $flat if defined $flat && $_[0] eq 'country';
			return $flags if defined $flags && !ref $_[1];
			return $types{$_[0]} || 'utf8_string';
		},
		%opts,
	);

	while (my ($network, $record) = splice @$networks, 0, 2) {
		$tree->insert_network($network, $record);
	}

	open my $fh, '>:raw', "$dir/$name.mmdb" or die "$name: $!\n";
	$tree->write_tree($fh);
	close $fh or die "$name: $!\n";
}


write_db('nested', [
	'::1.0.0.0/104' => geolite(undef),
	'::192.0.2.0/120' => geolite('DE'),
	'::198.51.100.0/121' => geolite('IS'),
	'::198.51.100.128/121' => geolite('US'),
	'::203.0.113.7/128' => geolite('GB'),
	'2001:db8:1::/48' => geolite('FR'),
	'2001:db8:2::/48' => geolite('A1'),
	'2001:db8:3::/48' => geolite(undef),
]);

write_db("record$_", [
	'::192.0.2.0/120' => geolite('DE'),
	'2001:db8:1::/48' => geolite('FR'),
], record_size => $_) for (28, 32);

# networks of every length, within one another, in either sort of database
{
	my $state = 1;
	my @lengths = map { ($_) x 8 } 7 .. 32;
	my @networks = map {
		$state = ($state * 69069 + 1) & 0xffffffff;
		my $first = ($state >> 32 - $_) << 32 - $_;
		[join('.', unpack 'C4', pack 'N', $first), $_]
	} @lengths;

	for my $size (24, 28, 32) {
		write_db("scattered$size", [
			map { ("::$_->[0]/" . ($_->[1] + 96) => geolite('DE')) } @networks
		], record_size => $size);
		write_db("flat$size", [
			map { ("$_->[0]/$_->[1]" => geolite('DE')) } @networks
		], record_size => $size, ip_version => 4);
	}
}

# IPinfo Lite: a name beside the code
write_db('code', [
	'::192.0.2.0/120' => { country => 'Germany', country_code => 'DE' },
	'2001:db8:1::/48' => { country => 'France', country_code => 'FR' },
], country => 'utf8_string');

# IPinfo: the code in a field of the name
write_db('string', [
	'::192.0.2.0/120' => { country => 'DE', country_name => 'Germany' },
	'2001:db8:1::/48' => { country => 'FR', country_name => 'France' },
], country => 'utf8_string');

write_db('ipv4', [
	'192.0.2.0/24' => geolite('DE'),
	'198.51.100.0/24' => geolite('US'),
], ip_version => 4);

write_db('lower', [
	'::192.0.2.0/120' => { country => { iso_code => 'de' } },
]);

# of which one in three thousand has a country
write_db('sparse', [
	(map { sprintf('::10.%d.%d.0/120', $_ / 256, $_ % 256)
		=> { continent => { code => "C$_" } } } 0 .. 3000),
	'::192.0.2.0/120' => { country => { iso_code => 'DE' } },
]);

# more records than are remembered at a time
write_db('many', [
	map { sprintf('::10.%d.%d.0/120', $_ / 256, $_ % 256)
		=> { country => { iso_code => $_ % 2 ? 'DE' : 'US',
			geoname_id => $_ } } } 0 .. 5000
]);


# Anonymizers: MaxMind writes only what is true.

write_db('flags', [
	'::192.0.2.0/128' => {},
	'::192.0.2.1/128' => { is_anonymous => 1 },
	'::192.0.2.2/128' => { is_anonymous => 1, is_hosting_provider => 1 },
	'::192.0.2.4/128' => { is_anonymous => 1, is_public_proxy => 1 },
	'::192.0.2.5/128' => { is_public_proxy => 1,
		is_residential_proxy => 1 },
	'::192.0.2.6/128' => { is_anonymous => 1, is_anonymous_vpn => 1,
		is_hosting_provider => 1 },
	'::192.0.2.7/128' => { is_anonymous => 1, is_anonymous_vpn => 1,
		is_hosting_provider => 1, is_tor_exit_node => 1 },
	'2001:db8:1::/48' => { is_tor_exit_node => 1 },
]);

# IPinfo: all of them, as text or not
for my $type ('boolean', 'utf8_string') {
	my ($yes, $no) = $type eq 'boolean' ? (1, 0) : ('true', '');
	my $flags = sub {
		my %true = map { $_ => 1 } @_;
		return { map { ($_ => $true{$_} ? $yes : $no) }
			qw/hosting proxy relay tor vpn/ };
	};

	write_db("privacy-$type", [
		'::192.0.2.0/128' => $flags->(),
		'::192.0.2.1/128' => $flags->(),
		'::192.0.2.2/128' => $flags->('hosting'),
		'::192.0.2.3/128' => $flags->(qw/hosting relay/),
		'::192.0.2.4/128' => $flags->('proxy'),
		'::192.0.2.6/128' => $flags->(qw/vpn proxy hosting/),
		'::192.0.2.7/128' => $flags->(qw/vpn tor/),
		'2001:db8:1::/48' => $flags->('tor'),
	], flags => $type);
}

# text that says neither yes nor no, and a number
write_db('opinions', [
	'::192.0.2.0/128' => { proxy => 'maybe', vpn => 'TRUE', tor => 'yes' },
]);
write_db('numbers', [
	'::192.0.2.0/128' => { proxy => 1, vpn => 1, tor => 0 },
], flags => 'uint32');


# What has no country.

write_db('continent', [
	'::192.0.2.0/120' => geolite(undef),
	'2001:db8:1::/48' => geolite(undef),
]);

write_db('asn', [
	'::192.0.2.0/120' => { autonomous_system_number => 64496,
		autonomous_system_organization => 'DE' },
]);

write_db('anonymous', [
	'::192.0.2.0/120' => { is_anonymous => 1 },
]);

write_db('name', [
	'::192.0.2.0/120' => { country => 'Germany' },
], country => 'utf8_string');

write_db('number', [
	'::192.0.2.0/120' => { country => 49 },
], country => 'uint32');


# What is no database any more, or never was.

sub spew {
	my ($name, $content) = @_;

	open my $fh, '>:raw', "$dir/$name" or die "$name: $!\n";
	print {$fh} $content;
	close $fh or die "$name: $!\n";
}

open my $fh, '<:raw', "$dir/many.mmdb" or die "many: $!\n";
my $whole = do { local $/; <$fh> };
my ($marker) = $whole =~ /(\xab\xcd\xefMaxMind\.com.*)/s;

spew('truncated.mmdb', substr($whole, 0, length($whole) / 2));
spew('headless.mmdb', $marker);
spew('gap.mmdb', substr($whole, 0, 600) . $marker);
spew('wild.mmdb', "\xff" x 600 . substr($whole, 600));
spew('marker.mmdb', substr($whole, 0, index($whole, $marker) + 14));
spew('zero.mmdb', '');
spew('text.mmdb', "network,country\n192.0.2.0/24,DE\n");

# records that point into the 16 bytes between the tree and the data
my ($size, $bytes) = $whole =~ /node_count([\xc1-\xc4])(.{4})/s;
my $nodes = hex unpack 'H*', substr $bytes, 0, ord($size) & 7;

spew('between.mmdb', substr(pack('N', $nodes + 15), 1) x 200
	. substr($whole, 600));
