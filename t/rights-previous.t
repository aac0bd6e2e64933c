use v5.36;

# The rights of a visitor whose record is still under the key before: it is
# copied from there, taken back, and erased.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

my $t    = ConsentGate::Test->new;
my $OLD  = '0123456789abcdef' x 4;
my $NEW  = '5a' x 32;
my $SIGN = 'sign k1 ' . 'fedcba9876543210' x 4;

$t->page('index.html', 'home');
$t->page('policy-update.html', flow_page);
$t->key_file("subject $OLD", $SIGN);
$t->nginx(flow_site(
    http   => 'consent_purpose analytics;',
    server => 'consent_subject $http_x_test_account;',
));

my $redis = $t->redis;

sub account ($name) {
    return $t->browser('DE', headers => ['X-Test-Account' => $name]);
}

sub old_of ($name) { return key_of(account => $name) }
sub new_of ($name) { return key_of(account => $name, key => pack 'H*', $NEW) }

sub export_of ($name) { return account($name)->get('/consent/export')->json }

sub kinds ($export) { return map { $_->{event}{what} } @{ $export->{events} } }

for my $name (qw(anna bert carl dora)) {
    answer(account($name), purpose => 'analytics');
    $redis->cmd('HSET', old_of($name)->{record}, 'd.gone', 3, 'p.gone', 1,
        'res', 'FR');
}

$t->key_file("subject $NEW", "subject-previous $OLD", $SIGN);
ok $t->reload, 'the key is another one now';


subtest 'a copy' => sub {
    my $export = export_of('anna');
    is $export->{subject}{pseudonym}, new_of('anna')->{name},
        'of the subject as it is called now';
    is $export->{record}{residence}, 'FR', 'with the record';
    is_deeply [kinds($export)], ['accept'], 'and the events of before';
    is $export->{complete}, JSON::PP::true, 'which is all';

    answer(account('anna'), what => 'residence', document => [],
        residence => '');
    is_deeply [$redis->keys(old_of('anna')->{record})], [], 'moved by a write';
    $export = export_of('anna');
    is_deeply [kinds($export)], [qw(residence accept)],
        'the copy goes on into the bucket of before';
    is $export->{complete}, JSON::PP::true, 'to the first event';
    is_deeply [map { $_->{event}{subject} } @{ $export->{events} }],
        [new_of('anna')->{name}, old_of('anna')->{name}], 'under both names';
};


subtest 'taking back' => sub {
    is answer(account('bert'), what => 'withdraw', document => [])->status,
        303, 'is answered';
    my $record = $redis->hash(new_of('bert')->{record});
    is_deeply { map { /^[dpr]/ ? ($_ => $record->{$_}) : () } keys %$record },
        { 'p.analytics' => 0, 'p.gone' => 0, res => 'FR', rev => 2 },
        'and moves what is left';
    ok wait_for(sub { !$redis->keys(old_of('bert')->{record}) }),
        'nothing stays behind';
};


subtest 'erasing' => sub {
    my $page = show(account('carl'));
    is answer(account('carl'), what => 'erase', document => [], page => $page)
        ->status, 303, 'is answered';
    is_deeply [sort keys $redis->hash(new_of('carl')->{record})->%*],
        [qw(ev k rev)], 'a tombstone is under the new key';
    ok wait_for(sub { !$redis->keys(old_of('carl')->{record}) }),
        'nothing stays under the old one';
    is answer(account('carl'), what => 'withdraw', document => [],
        page => $page)->status, 409, 'no old form brings anything back';
    is_deeply [kinds(export_of('carl'))], [qw(erase accept)],
        'and what is kept is told';
};


# The tombstone is gone after some hours: what was left behind would count again.
subtest 'erasing what cannot be erased' => sub {
    $redis->cmd('ACL', 'SETUSER', 'gate', '-unlink');
    my $page = show(account('dora'));
    my @form = (what => 'erase', document => [], page => $page);

    is answer(account('dora'), @form)->status, 503, 'is no success';
    is scalar(() = $redis->keys(old_of('dora')->{record})), 1, 'the old record is there';

    $redis->cmd('ACL', 'SETUSER', 'gate', '+unlink');
    is answer(account('dora'), @form)->status, 303, 'the same form again is';
    is_deeply [$redis->keys(old_of('dora')->{record})], [],
        'as soon as nothing is left';
    $redis->cmd('DEL', new_of('dora')->{record});
    is show(account('dora'))->{missing}, 'terms,privacy,cookies',
        'and nothing comes back';
};

$t->done;
