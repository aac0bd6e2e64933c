package ConsentGate::Override;

# Tokens of overrides as the gate takes them, made without it.

use v5.36;

use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);
use MIME::Base64 qw(encode_base64url);

our @EXPORT_OK = qw(override_token);

# The signing key of ConsentGate::Test::key_file.
our $KEY = 'fedcba9876543210' x 4;

my @ANONYMIZERS = ('', qw(anonymous hosting relay proxy residential_proxy vpn
    tor));
my @RECORDS = ('', qw(new accepted notice outdated declined refused no_age
    minor failed));

my $serial = 0;


sub country ($code) {
    my ($a, $b) = unpack 'CC', $code // return 0;
    return ($a - 65) * 26 + ($b - 65) + 1;
}

sub index_of ($value, @names) {
    my ($i) = grep { $names[$_] eq ($value // '') } 0 .. $#names;
    return $i // die "no $value";
}


# override_token(country => 'DE', record => 'outdated', ttl => 60, ...)
sub override_token (%o) {
    my $kid = $o{kid} // 'k1';
    my $payload = pack 'C Q> a8 C n C C q> C n C N C/a* C/a*',
        $o{format} // 1, time + ($o{ttl} // 3600),
        $o{id} // pack('Q>', $$ << 32 | ++$serial),
        defined $o{country} ? 1 : 0, country($o{country}),
        index_of($o{anonymizer}, @ANONYMIZERS),
        defined $o{at} ? 2 : defined $o{offset} ? 1 : 0,
        $o{at} // $o{offset} // 0,
        index_of($o{record}, @RECORDS), country($o{residence}),
        defined $o{history} ? 1 : 0, $o{history} // 0,
        $o{realm} // 'default', $o{label} // '';

    my $derived = hmac_sha256('consent-gate ' . ($o{type} // 'override'),
        pack 'H*', $o{key} // $KEY);
    my $mac = substr hmac_sha256("$kid.$payload", $derived), 0, 16;

    return "$kid." . encode_base64url($payload . $mac);
}

1;

__END__

=head1 NAME

ConsentGate::Override - tokens of testers

=head1 SYNOPSIS

    my $token = override_token(country => 'DE', ttl => 60);
    my $token = override_token(record => 'outdated', offset => 30 * 86400);

Besides C<anonymizer>, C<at>, C<residence>, C<history>, C<realm>, C<label>,
C<id>; and C<key>, C<kid>, C<type> and C<format> for what must not be taken.

=cut
