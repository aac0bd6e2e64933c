use v5.36;

# What comes back is not what was asked for: the connection is given up, the
# visitor is served as without the store, and the next one finds it well.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Resp;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

my $key    = key_of(account => 'anna');
my %record = (k => $key->{check}, rev => 1, 'd.terms' => 1, 'd.privacy' => 1,
    'd.cookies' => 1);
my $wrong  = "$t->{dir}/wrong";

# The fake is a process of its own: it is told through a file what to do.
my %WRONG = (
    'no protocol'     => { raw => "HTTP/1.1 400 Bad Request\r\n\r\n" },
    'binary'          => { raw => "\0\xff\x01\r\n" },
    'a bad length'    => { raw => "\$-5\r\n" },
    'a bad number'    => { raw => ":12a\r\n" },
    'a large reply'   => { raw => "\$300000\r\n" . 'x' x 300_000 . "\r\n" },
    'many elements'   => { raw => "*2000\r\n" },
    'too deep'        => { raw => "*1\r\n" x 6 . ":1\r\n" },
    'a number'        => { raw => ":1\r\n" },
    'a word'          => { raw => "+OK\r\n" },
    'nothing'         => { raw => "*-1\r\n" },
    'too few'         => { reply => [undef] },
    'too many'        => { reply => [(undef) x 64] },
    'numbers'         => sub (@fields) { [map { \1 } @fields] },
    'arrays'          => sub (@fields) { [map { [] } @fields] },
    'two at once'     => sub (@fields) {
        [@record{@fields}], { raw => "+OK\r\n" }
    },
    'half of it'      => {
        raw => "*9\r\n\$8\r\n$key->{check}\r\n\$1", close => 1
    },
    'the end'         => { close => 1 },
    'another subject' => sub (@fields) {
        [@{ { %record, k => '00000000' } }{@fields}]
    },
);

my $fake = $t->fake(
    HGETALL => [],
    HMGET   => sub ($, $, @fields) {
        my $what = slurp($wrong);
        return { reply => [@record{@fields}], split => 1 } if $what eq 'split';

        my $action = $WRONG{$what};
        return [@record{@fields}] if !defined $action;
        return $action if ref $action ne 'CODE';

        my ($reply, $more) = $action->(@fields);
        return $reply if !$more;
        return { raw => ConsentGate::Resp::resp_encode($reply)
            . $more->{raw} };
    },
);

sub answer_with ($what) {
    $t->write_file('wrong', $what);
    return;
}

answer_with('');

$t->page('index.html', 'home');
$t->nginx(flow_site(server => 'consent_subject $http_x_test_account;')
    =~ s{%%CONSENT%%}{
        consent_store {
            server           %%FAKE%%;
            connect_timeout  1s;
            timeout          1s;
        }
        consent_key_file %%KEYS%%;
        consent_geoip %%GEO%%;
        consent_document terms kind=accept version=1;
        consent_document privacy kind=acknowledge version=1;
        consent_document cookies kind=acknowledge version=1;
        consent_page /policy-update;
    }r);

my $http = $t->script('DE', headers => ['X-Test-Account' => 'anna']);

sub reason () {
    my ($reason) = $http->get('/')->header('Consent-Gate') =~ /reason=(\w+)/;
    return $reason;
}

sub well () { return wait_for(sub { reason() eq 'accepted' }) }

ok well(), 'a reply';

answer_with('split');
is reason(), 'accepted', 'a reply that comes byte by byte';

for my $what (sort keys %WRONG) {
    answer_with($what);
    my $from = $t->log_size;

    # The record came whole before what nobody has asked for.
    is reason(), $what eq 'two at once' ? 'accepted' : 'store_down', $what;
    ok $t->wait_for_log(qr/consent\ store\ 127\.0\.0\.1:\d+:\ (?:
        Protocol\ error | Bad\ | reply\ | Bulk\ | Multi-bulk\
        | connection\ closed | answer\ that\ is\ another
        | the\ record\ of\ \S+\ is\ another)/x, from => $from),
        "$what: is logged";

    answer_with('');
    ok well(), "$what: and then it is well again";
}

# Such a record is wrong itself when it comes a second time: the connection
# stays for the others.
answer_with('another subject');
reason();
well();
my $opened = () = $fake->seen('(open)');
is reason(), 'store_down', 'another subject, for the third time';
is scalar(() = $fake->seen('(open)')), $opened, 'on the same connection';
answer_with('');
is reason(), 'accepted', 'which serves on';

$t->done;
