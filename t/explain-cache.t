use v5.36;

# Consent-Gate tells where the record came from: the cache or Redis, and for
# how long it was waited for.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'accepted', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

$t->page('index.html', 'home');
$t->nginx(<<'END');
    %%CONSENT%%
    consent_cache zone=consent:1m ttl=60s stale=5m;
    consent_subject $http_x_account;
    consent_gate on;
    %%REALIP%%

    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
        location / { consent_explain on; }
    }
END

my $http = $t->http;

sub told ($account) {
    my $text = $http->get('/', 'X-Real-IP' => address_of('DE'),
        Accept => 'text/html', 'X-Account' => $account)
        ->header('Consent-Gate');
    return { $text =~ /; (\w+)=([^;]+)/g };
}


# Entries count once the feed tells of changes.
ok wait_for(sub {
    told('accepted');
    told('accepted')->{cache} eq 'hit';
}), 'the cache is in use';

my $miss = told('other');
is $miss->{cache}, 'miss', 'who is new misses';
is $miss->{record}, 'absent', 'and has no record';
cmp_ok $miss->{record_us}, '>', 0, 'which Redis was asked for';

my $hit = told('accepted');
is $hit->{cache}, 'hit', 'who is known hits';
is $hit->{record}, 'found', 'and has one';
cmp_ok $hit->{record_us}, '<', 5_000, 'which nobody was asked for';
like $hit->{place_us}, qr/^\d+$/, 'and the country took some time, too';

$t->redis->stop;

ok wait_for(sub { told('accepted')->{cache} eq 'stale' }, 10),
    'while Redis is down what is stale serves';
is told('accepted')->{reason}, 'accepted', 'as before';
is told('nobody')->{record}, 'failed', 'and who is not in it has none';

$t->done;
