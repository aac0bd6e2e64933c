use v5.36;

# A reload goes on with the cache, even while Redis is down; a cache of another
# shape is refused.

use lib 't/lib';
use Test::More;
use ConsentGate::Record qw(put_record);
use ConsentGate::Test;

my $t = ConsentGate::Test->new;

put_record($t->redis, 'anna', { map { ("d.$_" => 1) }
    qw(terms privacy cookies) });

# more: of the documents that there are besides.
sub site ($more = 0) {
    my $documents = join ' ', map { "consent_document d$_ kind=accept;" }
        1 .. $more;

    return <<"END";
    %%CONSENT%%
    $documents
    consent_cache zone=consent:1m ttl=60s stale=5m;
    consent_subject \$http_x_account;
    consent_gate on;
    consent_require terms;
    consent_explain on;
    %%REALIP%%
    server {
        listen 127.0.0.1:%%PORT%%;
        root %%ROOT%%;
    }
END
}

$t->page('index.html', 'home');
$t->nginx(site, workers => 2);

sub told ($account) {
    my $text = $t->get('/', 'X-Real-IP' => address_of('DE'),
        Accept => 'text/html', 'X-Account' => $account)
        ->header('Consent-Gate');
    my %told = $text =~ /; (\w+)=([^;]+)/g;

    return "$told{reason} $told{cache}";
}


ok wait_for(sub { told('anna') eq 'accepted hit' }), 'the cache is in use';

$t->redis->stop;
ok wait_for(sub { told('anna') eq 'accepted stale' }, 10),
    'while Redis is down what is stale serves';

for my $n (1 .. 3) {
    ok $t->reload(site), "reload $n";
    is told('anna'), 'accepted stale', 'what was in the cache is there';
    like told('bert'), qr/^store_down /, 'and nothing else';
}

subtest 'another number of documents' => sub {
    $t->allow_log(qr/"consent" of "consent_cache" was made for/);

    ok $t->reload(site(5)), 'up to eight need the same';
    like told('anna'), qr/^store_down /, 'but are not mixed up with others';
    ok $t->reload(site), 'those of before';
    is told('anna'), 'accepted stale', 'find what they have left';

    ok !$t->reload(site(6)), 'more are refused';
    like $t->log, qr/\[emerg\].* for another number of documents: give it/,
        'and why';
    is told('anna'), 'accepted stale', 'the ones before go on';
    ok $t->reload(site(6) =~ s/zone=consent:/zone=other:/r),
        'with another name they are taken';
    like told('anna'), qr/^store_down /, 'and begin with an empty one';
};

$t->done;
