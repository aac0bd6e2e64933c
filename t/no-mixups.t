use v5.36;

# Every answer is that of its own subject: 10,000 requests of 1,000 subjects,
# 64 at a time, with a Redis that stumbles and clients that leave.

use lib 't/lib';
use Test::More;
use ConsentGate::Flow;
use ConsentGate::Test;

use constant { SUBJECTS => 1000, REQUESTS => 10_000, AT_ONCE => 64 };

my $t = ConsentGate::Test->new;

my $redis = $t->redis(config => { 'enable-debug-command' => 'yes' });

$t->page('index.html', 'home');
$t->nginx(flow_site(
    http   => 'consent_purpose analytics; consent_purpose support;',
    server => 'consent_subject $http_x_test_account;
        location /who {
            add_header X-Who "$consent_subject $consent_purposes
                $consent_decision" always;
            try_files /index.html =404;
        }',
) =~ s/purposes\n\s+/purposes /r, workers => 2);

# What a subject has said depends on its number, and so does the answer.
my (@want, @commands);

for my $n (0 .. SUBJECTS - 1) {
    my $key = key_of(account => "subject$n");
    my ($analytics, $support) = ($n & 1, $n >> 1 & 1);
    my $behind = $n % 5 == 4;
    my $absent = $n % 7 == 6;

    push @commands, ['HSET', $key->{record}, k => $key->{check}, rev => $n + 1,
        'd.terms' => $behind ? '-' : 1, 'd.privacy' => 1, 'd.cookies' => 1,
        'p.analytics' => $analytics, 'p.support' => $support] if !$absent;

    ($analytics, $support) = (0, 0) if $absent;
    push @want, [
        $absent || $behind ? 403 : 200,
        "$key->{name} analytics=$analytics,support=$support "
            . ($absent || $behind ? 'page' : 'pass'),
        $absent ? 'missing' : $behind ? 'declined' : 'accepted',
    ];
}

$redis->cmds(@commands);

my $http = $t->script('DE');
my ($sent, $got, $bad, %told) = (0, 0, 0);

# Redis stumbles: a command that takes its time, and clients that do not wait
# for theirs.
sub disturb ($n) {
    if ($n % 500 == 250) {
        my $slow = $redis->connect;
        print {$slow} "DEBUG SLEEP 0.05\r\n";
        $slow->flush;
        push @{ $t->{slow} }, $slow;
    }

    if ($n % 20 == 0) {
        my $gone = $http->clone;
        $gone->send_raw($gone->format_request('GET', '/who',
            ['X-Test-Account' => 'subject' . int rand SUBJECTS]));
        $gone->close;
    }

    return;
}

$http->concurrent(AT_ONCE, sub {
    return if $sent == REQUESTS;
    disturb($sent++);
    return ['GET', '/who',
        ['X-Test-Account' => 'subject' . int rand SUBJECTS]];
}, sub ($response, $request) {
    my ($n) = $request->[2][1] =~ /(\d+)/;
    my ($status, $who, $reason) = @{ $want[$n] };
    my $explained = $response && $response->header('Consent-Gate');

    $got++ if $response;

    return if $response
        && $response->status == $status
        && $response->header('X-Who') eq $who
        && $explained =~ /reason=$reason;/;

    $told{ $explained // 'nothing' }++;
    diag "subject $n: $who, got: ", $response
        ? $response->status . ' ' . $response->header('X-Who') : 'nothing'
        if ++$bad <= 5;
});

is $got, REQUESTS, 'each request has an answer';
is_deeply \%told, {}, 'and each is that of its subject';

ok $redis->calls('hmget') >= REQUESTS, 'each was asked of Redis';
unlike $t->log, qr/another subject|nobody has asked/, 'nothing was out of turn';

$t->done;
