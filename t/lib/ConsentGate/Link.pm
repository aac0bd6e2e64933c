package ConsentGate::Link;

# The links of emails, made and read once more, apart from the source.

use v5.36;

use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);
use MIME::Base64 qw(decode_base64url encode_base64url);

use ConsentGate::Flow;

our @EXPORT = qw(link_token link_parse);

my $KEY = pack 'H*', 'fedcba9876543210' x 4;


# A token for an account, good for an hour. Options: expires (seconds since
# 1970), rev, nonce, realm, kid, key; subject, the key of pseudonyms; previous.
sub link_token ($account, %options) {
    my %o = (expires => time + 3600, rev => 0, realm => 'default',
        kid => 'k1', key => $KEY, nonce => join('', map { chr rand 256 }
            1 .. 16), %options);
    my $of = sub ($key) {
        my $k = key_of(account => $account, realm => $o{realm}, key => $key);
        return decode_base64url($k->{name}) . pack 'H*', $k->{check};
    };

    my $payload = pack('C Q> N', 1, $o{expires}, $o{rev}) . $o{nonce}
        . chr(2) . $of->($o{subject})
        . ($o{previous} ? chr(1) . $of->($o{previous}) : chr 0)
        . pack 'C/a*', $o{realm};
    my $mac = substr hmac_sha256("$o{kid}.$payload",
        hmac_sha256('consent-gate link', $o{key})), 0, 16;

    return "$o{kid}." . encode_base64url($payload . $mac);
}


# What a token says: kid, expires, rev, nonce, kind, name (the pseudonym),
# realm; and good: whether the MAC is that of the tests' key.
sub link_parse ($token, $key = $KEY) {
    my ($kid, $text) = split /\./, $token, 2;
    my $raw = decode_base64url($text);
    my $payload = substr $raw, 0, -16;
    my %link = (kid => $kid);

    @link{qw(format expires rev nonce kind id check has)}
        = unpack 'C Q> N a16 C a16 a4 C', $payload;
    my $rest = substr $payload, 51;
    $rest = substr $rest, 20 if $link{has};
    $link{realm} = unpack 'C/a*', $rest;
    $link{name} = encode_base64url($link{id});
    $link{good} = substr($raw, -16) eq substr hmac_sha256("$kid.$payload",
        hmac_sha256('consent-gate link', $key)), 0, 16;

    return \%link;
}

1;

__END__

=head1 NAME

ConsentGate::Link - the links of emails, for tests

=head1 SYNOPSIS

    my $token = link_token('anna', expires => time - 1);
    my $link = link_parse($token);
    is $link->{name}, key_of(account => 'anna')->{name};

=cut
