use v5.36;

# Where the server does not grant the feed, one line says what is missing, and
# policies come by the poll.

use lib 't/lib';
use Test::More;
use Time::HiRes qw(sleep);
use ConsentGate::Flow;
use ConsentGate::Resp;
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);

my $redis = $t->redis;

is $redis->cmd('ACL', 'SETUSER', 'gate', qw(-client|id -client|tracking)),
    'OK', 'a user';


# The store of the tests, but for some settings.
sub site ($from, $to) {
    my $consent = ConsentGate::Test::consent_block() =~ s/$from/$to/r;
    return flow_site() =~ s/%%CONSENT%%/$consent/r;
}


$t->nginx(site('', ''), workers => 2);

sub version () {
    return $t->http->get('/consent/state')->json->{documents}[0]{version};
}

sub refusals { return $t->log =~ /(\[\w+\].*consent feed.*refused.*)/g }

ok $t->wait_for_log(qr/\[warn\] .*consent feed.*CLIENT ID is refused/),
    'a line says what is refused';
my ($line) = refusals();
like $line, qr/NOPERM/, 'in the words of the server';
like $line, qr/"\QACL SETUSER gate +client|id +client|tracking +subscribe\E
    \Q +ping &__redis__:invalidate\E"/x, 'and what to grant';

$t->publish(terms => { version => 7, required => 7 });
ok wait_for(sub { version() == 7 }, 15), 'policies come by the poll';

is scalar(refusals()), 1, 'it is said once';

is $redis->cmd('ACL', 'SETUSER', 'gate', qw(+client|id +client|tracking
    +subscribe +ping &__redis__:invalidate)), 'OK',
    'what the line says is granted';

# That takes a while. Meanwhile, servers and proxies that cannot.

my %cannot = (
    'an old server' => {
        CLIENT => sub ($name, $what, @) {
            return $what eq 'SETNAME' ? \'OK' : ConsentGate::Resp::Error->new(
                'ERR Unknown subcommand or wrong number of arguments for'
                . " '\L$what\E'");
        },
    },
    'a proxy without SUBSCRIBE' => {
        CLIENT => sub ($name, $what, @) {
            return $what eq 'ID' ? \7 : \'OK';
        },
        SUBSCRIBE => ConsentGate::Resp::Error->new('ERR unknown command'),
    },
    'a proxy that says OK to everything' => { '*' => \'OK' },
);

for my $what (sort keys %cannot) {
    subtest $what => sub {
        my $t = ConsentGate::Test->new(name => 'feed-refused-' . $what
            =~ s/\W+/-/gr);
        $t->page('index.html', 'home');
        $t->page('policy-update.html', flow_page);
        my $fake = $t->fake(HGETALL => [], %{ $cannot{$what} });
        $t->nginx(site(qr/%%REDIS%%/, '%%FAKE%%'));

        ok $fake->wait_for_command('HGETALL'), 'is asked for policies';
        ok $t->wait_for_log(qr/consent feed.*(?:refused|does not fit)/),
            'a line says why there is no feed';
        sleep 1;
        my @lines = $t->log =~ /(consent feed.*)/g;
        is scalar(@lines), 1, 'one' or diag @lines;
        cmp_ok scalar($fake->seen('CLIENT')), '<', 12, 'no storm of tries';
        is $t->get('/')->body, 'home', 'the site is served';
        $t->done;
    };
}

ok $t->wait_for_log(qr/\[notice\] .*consent feed.*: up/, timeout => 15),
    'it is up in a while';
is scalar(refusals()), 1, 'and all was said once';

$t->publish(terms => { version => 8, required => 8 });
ok wait_for(sub { version() == 8 }, 1), 'a change is known at once';

$t->done;
