package ConsentGate::Record;

# Records as the store holds them, written past the gate.

use v5.36;

use Digest::SHA qw(hmac_sha256);
use Exporter qw(import);
use MIME::Base64 qw(encode_base64url);

our @EXPORT_OK = qw(pseudonym put_record record_key);

my %KIND = (visitor => 1, account => 2, test => 3);

# The subject key of ConsentGate::Test::key_file.
my $KEY = pack 'H*', '0123456789abcdef' x 4;


# Twenty bytes: the pseudonym, and the check. An id is an account's name.
sub derive ($id, %options) {
    my $realm = $options{realm} // 'default';

    return substr hmac_sha256(
        pack('C n/a* n/a*', $KIND{ $options{kind} // 'account' }, $realm,
            $id), $KEY), 0, 20;
}


sub pseudonym ($id, %options) {
    return encode_base64url(substr derive($id, %options), 0, 16);
}


sub record_key ($id, %options) {
    my $bucket = substr unpack('H4', derive($id, %options)), 0, 3;

    return "gc:s:{$bucket}" . pseudonym($id, %options);
}


# put_record($redis, 'alice', { 'd.terms' => 1 }, %options)
sub put_record ($redis, $id, $fields, %options) {
    my $key = record_key($id, %options);

    return $redis->cmd('HSET', $key,
        k   => unpack('H8', substr derive($id, %options), 16),
        rev => 1,
        %$fields);
}

1;

__END__

=head1 NAME

ConsentGate::Record - records in Redis for tests

=head1 SYNOPSIS

    put_record($t->redis, 'alice', { 'd.terms' => 1, 'p.ads' => 0 });
    put_record($t->redis, 'alice', { res => 'US' }, realm => 'shop');

    my $hash = $t->redis->hash(record_key('alice'));

=head1 FUNCTIONS

C<put_record>, C<record_key> and C<pseudonym> take the id of a subject and the
options C<realm> (default) and C<kind> (account; visitor, test), under the keys
that C<< $t->key_file >> writes.

=cut
