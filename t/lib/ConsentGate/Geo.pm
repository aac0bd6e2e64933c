package ConsentGate::Geo;

# Databases of countries for tests.

use v5.36;

use Carp qw(croak);
use Digest::SHA qw(sha1_hex);
use Exporter qw(import);
use File::Path qw(make_path);
use JSON::PP ();
use MaxMind::DB::Writer::Tree;

our @EXPORT_OK = qw(address_of make_mmdb standard_networks);

# Every code of ISO 3166-1 that a test is likely to ask for, and the codes
# that databases use besides. The position is the network.
my @CODES = qw(
    -- AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO
    SE SI SK IS LI NO AX GF GP MQ RE YT MF GB CH GL FO BL PM WF NC PF AW CW SX
    BQ SJ IM JE GG GI MC SM VA AD XK US CA BR IN JP AU ZA TR UA RU CN AP EU A1
    T1
);

# The types of values that are neither a map nor a string.
my %TYPE = (
    (map { $_ => 'boolean' } qw(is_anonymous is_anonymous_vpn
        is_hosting_provider is_in_european_union is_public_proxy
        is_residential_proxy is_tor_exit_node)),
    geoname_id => 'uint32',
);

my %NUMBER = map { $CODES[$_] => $_ } 1 .. $#CODES;


# An address in the standard database: address_of('DE'), address_of('DE', 6).
# 'none' is an address without a record.
sub address_of ($code, $version = 4, $host = 1) {
    my $n = $code eq 'none' ? 255 : $NUMBER{$code};

    croak "no country $code in the standard database" if !$n;

    return $version == 4 ? "10.$n.0.$host" : sprintf '2001:db8:%x::%x', $n,
        $host;
}


# 10.N.0.0/16 and 2001:db8:N::/48 for each code.
sub standard_networks () {
    return { map {
        my $record = { country => { iso_code => $_ } };
        ("10.$NUMBER{$_}.0.0/16" => $record,
            sprintf('2001:db8:%x::/48', $NUMBER{$_}) => $record)
    } keys %NUMBER };
}


# Makes a database once for the same content; returns its path in $dir.
sub make_mmdb ($dir, $networks, %options) {
    my $text = JSON::PP->new->canonical->encode([$networks, \%options]);
    my $path = "$dir/" . sha1_hex($text) . '.mmdb';
    my %type = (%TYPE, %{ delete $options{types} // {} });

    return $path if -e $path;

    my $tree = MaxMind::DB::Writer::Tree->new(
        ip_version               => 6,
        record_size              => 24,
        database_type            => 'Test-Country',
        languages                => ['en'],
        description              => { en => 'for tests' },
        alias_ipv6_to_ipv4       => 1,
        remove_reserved_networks => 0,
        %options,
        map_key_type_callback    => sub ($key, $value) {
            return ref $value ? 'map' : $type{$key} // 'utf8_string';
        },
    );

    $tree->insert_network($_, $networks->{$_}) for sort keys %$networks;

    make_path($dir);
    open my $fh, '>:raw', "$path.$$" or croak "$path: $!";
    $tree->write_tree($fh);
    close $fh or croak "$path: $!";
    rename "$path.$$", $path or croak "$path: $!";

    return $path;
}

1;

__END__

=head1 NAME

ConsentGate::Geo - country databases for tests

=head1 DESCRIPTION

C<make_mmdb($dir, { '192.0.2.0/24' =E<gt> { country =E<gt> { iso_code =E<gt>
'DE' } } }, %options)> writes a database once for each content; options are
those of L<MaxMind::DB::Writer::Tree>, and C<types>: of fields that are no
strings.

In the standard database each country has a network 10.N.0.0/16 and one
2001:db8:N::/48: C<address_of('IS')>, C<address_of('IS', 6)>; C<'none'> has
no record.

=cut
